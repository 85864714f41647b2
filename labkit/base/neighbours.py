"""Pairs of neighbours of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.errors import LabkitError


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Ordered pairs (every pair stands twice, as i-j and j-i), sorted by i and then by the species of j.

    i, j   (P,)   atoms of the flat batch
    shift  (P, 3) lattice vectors to add to j, as numbers of cells
    index  (P,)   the system a pair belongs to

    A list may hold pairs beyond the cutoff of a potential (the skin, a larger cutoff of another): `within` drops them.
    """

    i: Tensor
    j: Tensor
    shift: Tensor
    index: Tensor

    @classmethod
    def none(cls, device: torch.device | str) -> Neighbours:
        """No pairs: for potentials that need none."""
        empty = torch.empty(0, dtype=torch.int64, device=device)
        return cls(empty, empty, empty.reshape(0, 3), empty)

    @classmethod
    def collate(cls, parts: Sequence[Neighbours], counts: Sequence[int]) -> Neighbours:
        """Those of a batch from those of its systems, each alone with `counts` atoms."""
        if len(parts) != len(counts):
            raise LabkitError(f"Neighbours.collate: {len(parts)} lists for {len(counts)} systems; give one for each")
        starts = [sum(counts[:s]) for s in range(len(counts))]
        return cls(
            torch.cat([part.i + start for part, start in zip(parts, starts, strict=True)]),
            torch.cat([part.j + start for part, start in zip(parts, starts, strict=True)]),
            torch.cat([part.shift for part in parts]),
            torch.cat([torch.full_like(part.i, s) for s, part in enumerate(parts)]),
        )

    def vectors(self, positions: Tensor, cell: Tensor) -> Tensor:
        """Vectors r_j + shift·cell - r_i, (P, 3) Å, differentiable in positions and cell."""
        if len(cell) == 1:
            image = self.shift.to(cell.dtype) @ cell[0]
        else:
            image = (self.shift.to(cell.dtype)[:, None] @ cell.index_select(0, self.index)).squeeze(1)
        # index_select, not [...]: its gradient is an index_add, several times faster
        return positions.index_select(0, self.j) - positions.index_select(0, self.i) + image

    def within(self, cutoff: float, positions: Tensor, cell: Tensor) -> tuple[Neighbours, Tensor]:
        """The pairs nearer than `cutoff` and their vectors."""
        vectors = self.vectors(positions, cell)
        near = torch.nonzero(vectors.detach().square().sum(1) < cutoff**2).squeeze(1)
        if len(near) == len(self.i):
            return self, vectors
        pairs = Neighbours(*(part.index_select(0, near) for part in (self.i, self.j, self.shift, self.index)))
        return pairs, vectors.index_select(0, near)
