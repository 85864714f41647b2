"""Terms of all pairs of atoms: which pairs count, with and without a cutoff."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from labkit.base import Neighbours, System
from labkit.errors import LabkitError
from labkit.forcefield.terms.term import Term, separation

Pairs = tuple[Tensor, Tensor, Tensor]  # i, j, number of cells that j is moved


FURTHEST = 1e6  # Å; the powers of a cutoff are finite


class PairTerm(Term):
    """E = Σ u(r_ij) over pairs within the cutoff (images included), except the excluded ones.

    exclusions (e, 2)  pairs without this interaction, at their nearest image; bonded neighbours
    cutoff             Å; None for all pairs of a system, each once: at its nearest image where the system is periodic
                       (as in TorchMD; the energy jumps where another image becomes the nearest)
    """

    INDICES = ("exclusions",)
    SETTINGS = ("reach",)
    BY_TYPES = (1,)
    rest_compiled: ClassVar[bool] = False  # its kernels add `rest`, too; otherwise it may depend on the cell alone
    exclusions: Tensor
    reach: float | None  # the cutoff, or None

    def settings(self) -> dict[str, Any]:
        settings = super().settings()
        return {"cutoff": settings.pop("reach"), **settings}

    def _pairs_within(self, cutoff: float | None) -> None:
        if cutoff is not None and not 0 < cutoff <= FURTHEST:
            raise LabkitError(
                f"{type(self).__name__}: cutoff is {cutoff} Å, expected a positive number or None, at most {FURTHEST:g}"
            )
        self.reach = cutoff

    @property
    def cutoff(self) -> float:
        """Å; 0 where no neighbours are needed."""
        return self.reach or 0.0

    @property
    def n_atoms(self) -> int:
        return len(getattr(self, self.VALUES[0]))

    def pairs(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> tuple[Pairs, Tensor]:
        """Pairs (each once) within the cutoff, without the excluded ones, and their vectors (P, 3) in Å."""
        self.check(system)
        mark = system if self.reach is None else neighbours
        kept = self.__dict__.get("_kept")
        if kept is None or kept[0] is not mark:
            found = _all(system) if self.reach is None else _half(neighbours)
            kept = self.__dict__["_kept"] = (mark, bool(system.pbc.any()), *self._split(system, found))
        _, periodic, (i, j, shift), excluded = kept
        if self.reach is None:
            vectors = separation(system, positions, cell, i, j, periodic)
            return (i, j, shift), vectors
        if periodic and len(excluded[0]):
            parts = zip((i, j, shift), self._farther(system, positions, cell, excluded), strict=True)
            i, j, shift = (torch.cat(part) for part in parts)
        vectors = _vectors(system, positions, cell, i, j, shift)
        near = torch.nonzero(vectors.detach().square().sum(1) < self.reach**2).squeeze(1)
        return tuple(part.index_select(0, near) for part in (i, j, shift)), vectors.index_select(0, near)

    def check(self, system: System) -> None:
        """Raise LabkitError unless the system has as many atoms as there are parameters."""
        if system.n_atoms != self.n_atoms:
            raise LabkitError(
                f"{type(self).__name__}: parameters of {self.n_atoms} atoms, but the state has {system.n_atoms}; "
                "repeat the force field for replicas"
            )

    def rest(self, system: System, positions: Tensor, cell: Tensor) -> Tensor | None:
        """The energy outside the sum over pairs, (S,) eV; by default None."""
        return None

    def _split(self, system: System, pairs: Pairs) -> tuple[Pairs, Pairs]:
        """The pairs of atoms that are not excluded, and of those that are."""
        low, high = self.exclusions.min(1).values, self.exclusions.max(1).values
        out = torch.isin(pairs[0] * system.n_atoms + pairs[1], low * system.n_atoms + high)
        kept, excluded = (
            tuple(part.index_select(0, rows) for part in pairs)
            for rows in (torch.nonzero(~out).squeeze(1), torch.nonzero(out).squeeze(1))
        )
        return kept, excluded

    @staticmethod
    def _farther(system: System, positions: Tensor, cell: Tensor, pairs: Pairs) -> Pairs:
        """Those that are not at their nearest image now: only that is bonded, and moves make it another one."""
        positions, cell, (i, j, shift) = positions.detach(), cell.detach(), pairs
        away = _vectors(system, positions, cell, i, j, shift) - separation(system, positions, cell, i, j, periodic=True)
        rows = torch.nonzero(away.abs().amax(1) > 1e-6).squeeze(1)
        return i[rows], j[rows], shift[rows]

    def _sum(self, system: System, i: Tensor, energies: Tensor) -> Tensor:
        return energies.new_zeros(system.n_systems).index_add(0, system.index[i], energies)


def _vectors(system: System, positions: Tensor, cell: Tensor, i: Tensor, j: Tensor, shift: Tensor) -> Tensor:
    moved = (shift.to(cell.dtype)[:, None] @ cell.index_select(0, system.index[i])).squeeze(1)
    return positions.index_select(0, j) - positions.index_select(0, i) + moved


def _half(neighbours: Neighbours) -> Pairs:
    """Each pair once: i < j, and of an atom's own images one of each two."""
    i, j, shift = neighbours.i, neighbours.j, neighbours.shift
    x, y, z = shift.unbind(1)
    forward = (x > 0) | ((x == 0) & ((y > 0) | ((y == 0) & (z > 0))))
    keep = torch.nonzero((i < j) | ((i == j) & forward)).squeeze(1)
    return i[keep], j[keep], shift[keep]


def _all(system: System) -> Pairs:
    device = system.index.device
    found = []
    for start, end in zip(system.offsets, system.offsets[1:], strict=False):
        found.append(torch.triu_indices(end - start, end - start, 1, device=device) + start)
    i, j = torch.cat(found, 1)
    return i, j, torch.zeros(len(i), 3, dtype=torch.int64, device=device)
