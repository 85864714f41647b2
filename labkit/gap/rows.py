"""Rows of the design matrix: derivatives of energies, forces and virials with respect to the weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.base import System

#: the six components of a symmetric strain: xx yy zz yz xz xy
VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])


@dataclass(frozen=True, eq=False)
class Rows:
    """energy (S, M), force (n, 3, M) = -dE/dr, virial (S, 6, M) = dE/dstrain (xx yy zz yz xz xy) for weights (M,)."""

    energy: Tensor
    force: Tensor
    virial: Tensor | None

    @classmethod
    def zeros(cls, system: System, columns: int, virials: bool, like: Tensor) -> Rows:
        return cls(
            like.new_zeros(system.n_systems, columns),
            like.new_zeros(system.n_atoms, 3, columns),
            like.new_zeros(system.n_systems, 6, columns) if virials else None,
        )

    @classmethod
    def join(cls, parts: list[Rows]) -> Rows:
        """The columns of several terms side by side."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            torch.cat([p.energy for p in parts], 1),
            torch.cat([p.force for p in parts], 2),
            None if parts[0].virial is None else torch.cat([p.virial for p in parts], 2),
        )

    def add_force(self, j: Tensor, i: Tensor, columns: slice, gradient: Tensor) -> None:
        """dE/dr_j = gradient (pairs, 3, columns) where only r_j - r_i matters, so that dE/dr_i is its negative."""
        block = self.force[:, :, columns]
        block.index_add_(0, j, gradient, alpha=-1)
        block.index_add_(0, i, gradient)
