"""Neighbour lists of a batch: all periodic images within a cutoff, kept while no atom has moved half a skin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ase
import torch
from torch import Tensor
from vesin_torch import NeighborList

from labkit.base.state import State
from labkit.base.system import System
from labkit.errors import LabkitError

FAR = 1e4  # Å from the middle of a system, from where on atoms are gathered for the search


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


def find_neighbours(system: System, positions: Tensor, cell: Tensor, cutoff: float) -> Neighbours:
    """All pairs, images included, nearer than `cutoff` [Å] (vesin); the cell may be smaller than the cutoff.

    >>> from ase.build import bulk
    >>> state = State.from_atoms(bulk("Cu"))
    >>> len(find_neighbours(state.system, state.positions, state.cell, 3.0).i)
    12
    """
    search = NeighborList(cutoff=float(cutoff), full_list=True, sorted=True)
    # vesin computes in float64, one system a call; the lists are rebuilt seldom (skin), the pairs are then one batch
    where = positions.detach().to("cpu", torch.float64)
    _check_finite(system, where)
    cells, periodic = _complete(cell.detach().to("cpu", torch.float64), system.pbc.cpu())
    parts = []
    for s, (start, end) in enumerate(zip(system.offsets, system.offsets[1:], strict=False)):
        here, moved = _gathered(where[start:end], cells[s], periodic[s], cutoff)
        i, j, shift, d = search.compute(here.contiguous(), cells[s], periodic[s], "ijSd")
        if len(d) and float(d.min()) < 1e-6:
            pair = int(d.argmin())
            raise LabkitError(f"frame {s}: atoms {int(i[pair])} and {int(j[pair])} are at the same place; move one")
        if moved is not None:
            shift = shift + moved[i] - moved[j]
        parts.append((i + start, j + start, shift, torch.full_like(i, s)))
    i, j, shift, index = (torch.cat(part) for part in zip(*parts, strict=True))
    numbers = system.numbers.cpu()
    order = torch.argsort(i * (int(numbers.max()) + 1) + numbers[j], stable=True)
    i, j, shift, index = (part[order].to(positions.device) for part in (i, j, shift, index))
    return Neighbours(i, j, shift.to(torch.int64), index)


class NeighbourList:
    """A list that is found again only when it may have changed.

    Built with cutoff + skin and used while no atom has moved by more than skin/2 since (with the same cell and
    system), so that no pair within the cutoff can be missing.
    """

    def __init__(self, cutoff: float, skin: float = 0.5) -> None:
        self.cutoff, self.skin = float(cutoff), float(skin)
        self.builds = 0
        self._kept: tuple[Neighbours, System, Tensor, Tensor] | None = None

    def __call__(self, state: State) -> Neighbours:
        """Neighbours of a state, built or reused; several threads may ask."""
        kept = self._kept  # read once: another thread may exchange it
        if kept is None or self._outdated(state, *kept[1:]):
            found = find_neighbours(state.system, state.positions, state.cell, self.cutoff + self.skin)
            kept = (found, state.system, state.cell.detach().clone(), state.positions.detach().clone())
            self._kept = kept
            self.builds += 1
        return kept[0]

    def reset(self) -> None:
        """Forget the list; the next call builds it (as a checkpoint does, so that a resumed run sees the same one)."""
        self._kept = None

    def _outdated(self, state: State, system: System, cell: Tensor, positions: Tensor) -> bool:
        if state.system is not system or not torch.equal(state.cell.detach(), cell):
            return True
        moved = (state.positions.detach() - positions).square().sum(1).max()
        return not bool(moved <= (0.5 * self.skin) ** 2)  # so that NaN is outdated, and then an error


def _check_finite(system: System, positions: Tensor) -> None:
    lost = torch.nonzero(~torch.isfinite(positions).all(1))
    if len(lost):
        atom = int(lost[0])
        frame = int(system.index[atom])
        raise LabkitError(
            f"frame {frame}, atom {atom - system.offsets[frame]}: position {positions[atom].tolist()} is not finite; "
            "in dynamics the timestep is too large or the potential has a hole"
        )


def _gathered(positions: Tensor, cell: Tensor, pbc: Tensor, cutoff: float) -> tuple[Tensor, Tensor | None]:
    """Positions with the same pairs that are not FAR apart, and the cells (n, 3) by which they were moved, or None.

    vesin ends the process, by a division of integers, where an atom has flown off in an open direction. Atoms are moved
    into the cell where it is periodic, and empty layers wider than the cutoff made narrower where it is not.
    """
    if float((positions - positions.mean(0)).abs().max()) < FAR:
        return positions, None
    inverse = torch.linalg.inv(cell)
    fractions = positions @ inverse
    moved = torch.where(pbc, torch.floor(fractions), 0.0)
    fractions = fractions - moved
    for axis in torch.nonzero(~pbc).flatten().tolist():
        widest = 2 * cutoff * float(inverse[:, axis].norm())  # two cutoffs from plane to plane
        order = fractions[:, axis].argsort()
        gaps = fractions[order, axis].diff(prepend=fractions[order[:1], axis]).clamp(max=widest)
        fractions[order, axis] = gaps.cumsum(0)
    return fractions @ cell, moved.to(torch.int64)


def _complete(cells: Tensor, pbc: Tensor) -> tuple[Tensor, Tensor]:
    """Give non-periodic systems and directions some lattice vector: vesin wants a cell with a volume."""
    if bool((torch.linalg.det(cells).abs() > 1e-6).all()):
        return cells, pbc
    full = [torch.as_tensor(ase.cell.Cell(cell.numpy()).complete().array.copy()) for cell in cells]
    return torch.stack(full), pbc
