"""Pairs of neighbours of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.errors import LabkitError


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Ordered pairs (every pair appears twice, as i-j and j-i), sorted by i and then by the species of j.

    i, j   (P,)   atoms of the flat batch
    shift  (P, 3) lattice vectors to add to j, as numbers of cells
    index  (P,)   the system a pair belongs to

    dtype  of the vectors, if it is not that of the positions: that of a model in single precision

    A list may hold pairs beyond the cutoff of a potential (the skin, a larger cutoff of another): `within` drops them.
    """

    i: Tensor
    j: Tensor
    shift: Tensor
    index: Tensor
    dtype: torch.dtype | None = None

    @classmethod
    def none(cls, device: torch.device | str) -> Neighbours:
        """An empty list, for potentials that need no pairs."""
        empty = torch.empty(0, dtype=torch.int64, device=device)
        return cls(empty, empty, empty.reshape(0, 3), empty)

    @classmethod
    def collate(cls, parts: Sequence[Neighbours], counts: Sequence[int]) -> Neighbours:
        """The list of a batch from those of its systems, with `counts` atoms each."""
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
        found = positions.index_select(0, self.j) - positions.index_select(0, self.i) + image
        return found if self.dtype is None else found.to(self.dtype)

    def within(self, cutoff: float, positions: Tensor, cell: Tensor) -> tuple[Neighbours, Tensor]:
        """The pairs nearer than `cutoff` and their vectors."""
        vectors = self.vectors(positions, cell)
        near = torch.nonzero(vectors.detach().square().sum(1) < cutoff * cutoff).squeeze(1)
        if len(near) == len(self.i):
            return self, vectors
        parts = (part.index_select(0, near) for part in (self.i, self.j, self.shift, self.index))
        pairs = Neighbours(*parts, self.dtype)
        return pairs, vectors.index_select(0, near)
