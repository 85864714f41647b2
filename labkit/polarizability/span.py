"""The functions that span a tensor model: rows of the training frames themselves, or selected environments."""

from __future__ import annotations

from dataclasses import replace

import torch
from ase.data import chemical_symbols
from torch import Tensor

from labkit.errors import LabkitError
from labkit.polarizability.environments import Environments
from labkit.polarizability.kernel import covariance, pooled
from labkit.polarizability.settings import Settings
from labkit.regression import Spectral, select

_MOST = 3000  # rows or columns of a covariance: its eigenvectors take ten seconds


class Span:
    """Points of a model, and covariances of rows with them.

    settings  n_sparse None: the points are the rows of the frames `here` (exact regression)
    notes     list to which it adds what differs from the settings
    """

    def __init__(self, settings: Settings, here: Environments, notes: list[str]) -> None:
        self.settings, self.exact = settings, settings.n_sparse is None
        self.points = here if self.exact else self._chosen(here, notes)
        size = (2 * max(settings.target.parts) + 1) * self.points.n_groups
        if size > _MOST:
            raise LabkitError(
                f"{self.points.n_groups} {'rows' if self.exact else 'environments'} make a covariance of {size} by "
                f"{size}, more than {_MOST}; give a {'' if self.exact else 'smaller '}n_sparse, such as n_sparse=100"
            )
        self._lower = {} if self.exact else {degree: self._factor(degree) for degree in settings.target.parts}

    def covariances(self, here: Environments, counts: Tensor, degree: int) -> Tensor:
        """The covariances of rows with points, (rows, 2λ+1, columns, 2λ+1)."""
        found = covariance(here, self.points, degree, self.settings.zeta)
        if self.settings.target.of != "neutral":
            return found
        found = pooled(found, here.frame, counts, "neutral")
        if self.exact:  # then the columns are rows and are centred, too
            found = pooled(found.movedim(2, 0), here.frame, counts, "neutral").movedim(0, 2)
        return found

    def spectral(self, degree: int, covariances: Tensor, rows: Tensor, scale: Tensor, frame: Tensor) -> Spectral:
        """Eigenvectors of the covariance of some `rows`, weighted by `scale`, of frames `frame`."""
        size, block = 2 * degree + 1, covariances[rows]
        scale = scale.repeat_interleave(size)
        if not self.exact:
            return Spectral.sparse(block.flatten(2).flatten(0, 1), self._lower[degree], scale)
        made = Spectral.exact(block[:, :, rows].flatten(2).flatten(0, 1), scale)
        if self.settings.target.of != "neutral":
            return made
        # rounding mixes eigenvectors of small eigenvalues with those that centring makes zero: project these out
        _, frame, counts = torch.unique_consecutive(frame, return_inverse=True, return_counts=True)
        basis = pooled(made.basis.unflatten(0, (-1, size)), frame, counts, "neutral")
        return replace(made, basis=basis.flatten(0, 1))

    def _chosen(self, here: Environments, notes: list[str]) -> Environments:
        chosen = []
        for z in self.settings.species:
            atoms = torch.nonzero(here.numbers == z)[:, 0]
            count = min(self.settings.n_sparse, len(atoms))
            if count < self.settings.n_sparse:
                notes.append(
                    f"n_sparse clipped from {self.settings.n_sparse} to {count} for {chemical_symbols[z]}: the frames "
                    "have no more environments"
                )
            chosen.append(atoms[select(here.features[0][atoms, 0], count, self.settings.sparse_method, 0)])
        return here.take(torch.cat(chosen).sort().values)

    def _factor(self, degree: int) -> Tensor:
        """L with L Lᵀ = the covariance of the points, with as much jitter as it needs."""
        found = covariance(self.points, self.points, degree, self.settings.zeta).flatten(2).flatten(0, 1)
        size, eye = float(found.diagonal().mean()), torch.eye(len(found)).to(found)
        for jitter in (1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-6):
            lower, failed = torch.linalg.cholesky_ex(found + jitter * size * eye)
            if not int(failed):
                return lower
        raise LabkitError(f"the covariance of the points of lambda = {degree} is singular; give a smaller n_sparse")
