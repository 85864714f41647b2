"""MahalanobisDistance: the distance of an atom from the cloud of known environments."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.active.uncertainties.environments import LatentDistance
from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.errors import LabkitError

ROUNDING = 1e-5  # of the mean vector: known environments that differ less are equal, as of a molecule in several turns


class MahalanobisDistance(LatentDistance):
    """d_i² = (x_i - μ)ᵀ C⁻¹ (x_i - μ), with mean μ and covariance C of known environments of i's species.

    known  frames that the potential was trained on
    floor  smallest variance in a direction, relative to the largest: what never varied counts that much. If all known
           environments of a species are equal, the distance is |x_i - μ|

    Raises LabkitError for a potential without features, and without known frames; see `LatentDistance`.
    Source: Mahalanobis, Proc. Natl. Inst. Sci. India 2, 49 (1936).

    >>> import labkit
    >>> from labkit.neural import NeuralConfig, NeuralPotential
    >>> frames = labkit.datasets.ice("train", n=50)[:3]
    >>> potential = NeuralPotential(NeuralConfig(channels=8), ["H", "O"], {"H": -13.6, "O": -432.0})
    >>> distance = MahalanobisDistance(potential, frames)
    >>> molten = distance(labkit.datasets.ice("disordered").state([0])).per_atom
    >>> bool(molten.mean() > distance(frames.state()).per_atom.mean())
    True
    """

    def __init__(self, potential: Potential, known: Dataset, *, floor: float = 1e-4) -> None:
        if not 0 < floor <= 1:
            raise LabkitError(f"MahalanobisDistance: floor is {floor:g}; expected more than 0, at most 1")
        self.floor = floor
        super().__init__(potential, known)

    def learn(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """μ (F,), directions (F, r) that vary, their standard deviations (r,), and the least one, of all others."""
        mean = vectors.mean(0)
        small = torch.linalg.qr(vectors - mean, mode="r").R  # the same covariance from at most F rows
        _, sizes, directions = torch.linalg.svd(small, full_matrices=False)
        deviations = sizes / max(1, len(vectors) - 1) ** 0.5
        varies = bool(deviations[0] > ROUNDING * mean.norm())
        least = (self.floor * deviations[0].square()).sqrt() if varies else deviations.new_ones(())
        above = deviations > least
        return mean, directions[above].T, deviations[above], least

    def distance(self, vectors: Tensor, *known: Tensor) -> Tensor:
        mean, directions, deviations, least = known
        apart = vectors - mean
        along = apart @ directions
        rest = (apart - along @ directions.T) / least
        return torch.cat([along / deviations, rest], 1).norm(dim=1)
