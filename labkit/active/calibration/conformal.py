"""Conformal factors: intervals that hold errors as often as promised, whatever their distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binom

from labkit.active.calibration.measures.arrays import check_share, checked
from labkit.errors import LabkitError


def conformal(errors: Any, sigmas: Any, share: float = 0.95, confidence: float | None = None) -> float:
    """The q for which |e| <= q σ of at least this share of further frames, like and independent of these n.

    confidence  None: on average over calibrations, the ⌈(n + 1) share⌉-th smallest |e|/σ. A number, as 0.95: in this
                share of calibrations, the k-th smallest with the least k for which P(Binomial(n, share) < k) is that

    It says nothing of the frames below some σ alone: for frames that are accepted see `threshold`.
    Raises LabkitError if n is too small, and for σ = 0 where the error is not.
    Source: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005); Vovk, ACML (2012).

    >>> conformal(np.arange(1, 20), np.ones(19), 0.9)
    18.0
    """
    e, s = checked(errors, sigmas)
    check_share(share, "share")
    n = len(e)
    if confidence is None:
        k = int(np.ceil((n + 1) * share - 1e-9))
    else:
        check_share(confidence, "confidence")
        k = int(np.searchsorted(binom.cdf(np.arange(n), n, share), confidence)) + 1
    if k > n:
        raise LabkitError(
            f"too few frames: {n} do not show a share of {share:g}"
            f"{'' if confidence is None else ' with this confidence'}; give more, or ask for a smaller share"
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sort(np.where(e > 0, e / s, 0.0))[k - 1]
    if not np.isfinite(ratio):
        raise LabkitError(
            f"{((s == 0) & (e > 0)).sum()} of {n} sigmas are 0 where the error is not: no factor is large enough"
        )
    return float(ratio)
