"""The posterior's variance for new rows: the prior's variance minus what the points explain."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from labkit.polarizability.environments import Environments
from labkit.polarizability.kernel import covariance, pooled, self_covariance
from labkit.polarizability.settings import Settings
from labkit.regression import Posterior


def variances(
    here: Environments,
    counts: Tensor,
    points: Environments,
    posterior: Mapping[int, Posterior],
    settings: Settings,
) -> Tensor:
    """Variances (rows, 3, 3) of the components of the target, of the environments `here` in frames of `counts` atoms.

    var y = size (k(x, x) - |k(x, points) root|²), λ by λ (regression.Posterior).
    """
    of, zeta = settings.target.of, settings.zeta
    found = {}
    for degree, one in posterior.items():
        own, summed = self_covariance(here, degree, zeta)
        if not settings.target.per_atom:
            prior = pooled(summed, here.frame, counts, "cell")  # includes the weights
        elif of == "atom":
            prior = own
        else:  # of what remains when the mean is subtracted
            n = counts.to(own)[here.frame, None, None]
            total = pooled(summed, here.frame, counts, "cell")[here.frame]
            prior = own - (summed + summed.mT) / n + total / n**2
        k = covariance(here, points, degree, zeta).flatten(2)
        if of == "neutral":
            k = pooled(k, here.frame, counts, of)
        known = k @ one.root
        found[degree] = one.size * (prior - known @ known.mT)
    return settings.target.variances(found).clamp(min=0.0)
