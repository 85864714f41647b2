"""Mobilities whose blocks depend only on the vector between two particles."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.errors import LabkitError
from labkit.mobility.mobility import Mobility, chunks


class PairMobility(Mobility):
    """M_ii = μ_i I and M_ij = α(r) I + β(r) r̂ r̂ᵀ, with scalar functions of the distance: symmetric and
    covariant under rotations for any such functions.

    A subclass defines `own`, the mobility of an isolated particle, and `functions`.
    """

    def own(self, n: int, like: Tensor) -> Tensor:
        """μ of n particles, (n,) or (1,) Å²/(eV fs)."""
        raise NotImplementedError

    def functions(self, r: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        """α and β in Å²/(eV fs) for distances r (S, m, n) of the m particles in `rows` from all."""
        raise NotImplementedError

    def rows(self, positions: Tensor, cell: Tensor | None, rows: slice) -> Tensor:
        vectors, alpha, over = self._scalars(positions, rows)
        eye = torch.eye(3, dtype=positions.dtype, device=positions.device)
        return alpha[..., None, None] * eye + over[..., None, None] * vectors[..., :, None] * vectors[..., None, :]

    def product(self, positions: Tensor, forces: Tensor, cell: Tensor | None = None) -> Tensor:
        parts = []
        for rows in chunks(positions, 3):
            vectors, alpha, over = self._scalars(positions, rows)
            along = over * torch.einsum("smna,sna->smn", vectors, forces)
            parts.append(alpha @ forces + torch.einsum("smn,smna->sma", along, vectors))
        return torch.cat(parts, 1)

    def _scalars(self, positions: Tensor, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
        """r_i - r_j (S, m, n, 3), α and β/r²; a particle with itself has α = μ and β = 0."""
        n = positions.shape[1]
        vectors = positions[:, rows, None] - positions[:, None]
        places = torch.arange(n, device=positions.device)
        same = places[rows, None] == places
        # a distance of zero is replaced before the root: gradients stay finite
        square = vectors.square().sum(-1)
        zero = same | (square == 0)
        square = torch.where(zero, 1.0, square)
        r = square.sqrt()
        alpha, beta = self.functions(torch.where(zero & ~same, 0.0, r), rows)
        own = self.own(n, positions)
        own = own.expand(n)[rows, None] if own.numel() == n else own
        return vectors, torch.where(same, own, alpha), torch.where(zero, 0.0, beta / square)


def positive(value: float | Tensor, name: str, unit: str) -> Tensor:
    """A number or (n,) as float64. Raises LabkitError if it is not positive."""
    found = torch.as_tensor(value, dtype=torch.float64)
    if found.ndim > 1 or not bool(((found > 0) & torch.isfinite(found)).all()):
        raise LabkitError(f"{name} is {value}; expected a positive number of {unit}, or one for each particle")
    return found
