"""Mobility: the matrix that turns the forces on particles in a viscous fluid into their velocities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from labkit.base import State, System
from labkit.errors import LabkitError

#: Numbers that a product without the matrix holds at once for each of its temporary arrays.
_AT_ONCE = 2**18


class Mobility(nn.Module):
    """V = M F: base class of everything that turns forces [eV/Å] into velocities [Å/fs]; M in Å²/(eV fs).

    A subclass defines `rows`, the blocks of some particles with all others; `matrix` and `product` follow from it; a
    subclass with a faster way overrides these. Dense functions take S systems of n particles each: positions
    (S, n, 3) Å and cells (S, 3, 3) Å; `of` and `velocities` take a State. All are differentiable by autograd.
    """

    #: True if the mobility is that of a box that is periodic in all directions
    periodic: bool = False

    def rows(self, positions: Tensor, cell: Tensor | None, rows: slice) -> Tensor:
        """Blocks (S, m, n, 3, 3) of m particles (those of the slice) with all n."""
        raise NotImplementedError

    def matrix(self, positions: Tensor, cell: Tensor | None = None) -> Tensor:
        """M (S, 3n, 3n), particle after particle."""
        n = positions.shape[1]
        return self.rows(positions, cell, slice(0, n)).transpose(2, 3).reshape(-1, 3 * n, 3 * n)

    def product(self, positions: Tensor, forces: Tensor, cell: Tensor | None = None) -> Tensor:
        """M F, (S, n, 3), without the matrix: memory grows as the number of particles."""
        parts = [
            torch.einsum("smnab,snb->sma", self.rows(positions, cell, rows), forces) for rows in chunks(positions, 9)
        ]
        return torch.cat(parts, 1)

    def of(self, state: State) -> Tensor:
        """M of each system of a state, (S, 3n, 3n). Raises LabkitError if their sizes differ."""
        self.check(state.system, state.positions)
        found = groups(state.system)
        if len(found) > 1:
            sizes = torch.unique(state.system.counts).tolist()
            raise LabkitError(f"systems of {sizes} particles have no matrices of one shape; take them one by one")
        return self.matrix(found[0].dense(state.positions), state.cell)

    def velocities(self, state: State, forces: Tensor | None = None) -> Tensor:
        """M F, (n, 3) Å/fs, for the forces (n, 3) given or those of the state. Systems may differ in size."""
        forces = state.forces if forces is None else forces
        if forces is None or forces.shape != state.positions.shape:
            found = "none" if forces is None else f"shape {tuple(forces.shape)}"
            raise LabkitError(
                f"forces: found {found}; expected {tuple(state.positions.shape)} eV/Å, one row per particle"
            )
        self.check(state.system, state.positions)
        found = torch.zeros_like(forces)
        for group in groups(state.system):
            x, f = group.dense(state.positions), group.dense(forces)
            found = group.put(found, self.product(x, f, state.cell[group.systems]))
        return found

    def check(self, system: System, positions: Tensor) -> None:
        """Raise LabkitError for a system that this mobility is not made for."""
        wrong = torch.nonzero(system.pbc.all(1) != self.periodic).flatten().tolist()
        wrong += torch.nonzero(system.pbc.any(1) != system.pbc.all(1)).flatten().tolist()
        if wrong and self.periodic:
            raise LabkitError(
                f"{type(self).__name__}: system {wrong[0]} is not periodic in all directions; give it a cell and pbc, "
                "or use RotnePragerYamakawa for an open one"
            )
        if wrong:
            raise LabkitError(
                f"{type(self).__name__}: system {wrong[0]} is periodic along {system.pbc[wrong[0]].tolist()}, but this "
                "mobility is that of an open system, and when truncated or wrapped it is not positive; set pbc=False, "
                "or use PeriodicRotnePragerYamakawa"
            )


@dataclass(frozen=True, eq=False)
class Group:
    """Systems of one size: their numbers (g,) and their atoms (g, n)."""

    systems: Tensor
    atoms: Tensor

    def dense(self, values: Tensor) -> Tensor:
        """Values (N, ...) of all atoms as (g, n, ...) of these."""
        return values.index_select(0, self.atoms.flatten()).unflatten(0, self.atoms.shape)

    def put(self, values: Tensor, ours: Tensor) -> Tensor:
        """Values (N, ...) with those of these atoms replaced."""
        return values.index_copy(0, self.atoms.flatten(), ours.flatten(0, 1))


def groups(system: System) -> list[Group]:
    """The systems of a batch by size, so that those of one size are computed at once."""
    counts = system.counts
    starts = torch.cumsum(counts, 0) - counts
    found = []
    for size in (size for size in torch.unique(counts).tolist() if size):
        systems = torch.nonzero(counts == size).flatten()
        atoms = starts[systems, None] + torch.arange(size, device=counts.device)
        found.append(Group(systems, atoms))
    return found


def chunks(positions: Tensor, width: int = 1) -> list[slice]:
    """Slices of particles such that (S, m, n, width) numbers fit in little memory."""
    n = positions.shape[1]
    size = at_once(positions[..., 0].numel() * width)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def at_once(numbers: int) -> int:
    """How many arrays with this many numbers fit in little memory."""
    return max(1, _AT_ONCE // max(1, numbers))
