"""The input of a model: blocks X, V, F, Type, Time, in this order, each atom after atom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from labkit.base import ELEMENTS, State, System
from labkit.errors import LabkitError
from labkit.lammps.units import Units

#: numbers per atom in each block; Time is one number for all
WIDTH = {"X": 3, "V": 3, "F": 3, "Type": 1}


@dataclass(frozen=True)
class Blocks:
    """The blocks that mask_input names, in the units for which the models were made.

    types  numbers of types whose names are neither numbers nor the elements of their atoms
    """

    names: tuple[str, ...]
    units: Units
    types: Mapping[str, int] = field(default_factory=dict)

    def size(self, atoms: int) -> int:
        """Length of the column for this many atoms."""
        return atoms * sum(WIDTH[name] for name in self.names if name in WIDTH) + ("Time" in self.names)

    def rows(self, state: State, which: Tensor, time: Tensor | None, forces: Tensor | None = None) -> Tensor:
        """One row for each of `which` (P, k), the k atoms of a call: (P, size(k)), float64.

        time    (S,) fs
        forces  (n, 3) eV/Å, by default those of the state
        """
        found: list[Tensor] = []
        for name in self.names:
            if name == "Time":
                if time is None:
                    raise LabkitError("mask_input names Time: use load(..., timestep=...) in fs")
                systems = state.system.index[which[:, 0]]
                found.append(time.to(torch.float64)[systems, None] / self.units.time)
                continue
            values = self._values(name, state, forces)
            found.append(values[which].reshape(len(which), -1))
        return torch.cat(found, 1)

    def _values(self, name: str, state: State, forces: Tensor | None) -> Tensor:
        if name == "X":
            return state.positions.detach().to(torch.float64) / self.units.length
        if name == "V":
            return state.velocities.detach().to(torch.float64) / self.units.velocity
        if name == "Type":
            return self.type_numbers(state.system).to(torch.float64)[:, None]
        forces = state.forces if forces is None else forces
        if forces is None:
            raise LabkitError("mask_input names F, but there are no forces yet")
        return forces.detach().to(torch.float64) / self.units.force

    def type_numbers(self, system: System) -> Tensor:
        """LAMMPS's number of each atom's type, (n,); of an element without one, its atomic number."""
        found = torch.zeros_like(system.types)
        for name, atoms in system.of_types.items():
            if name in self.types:
                found[atoms] = self.types[name]
            elif name.isdecimal():
                found[atoms] = int(name)
            elif name in ELEMENTS and bool((system.numbers[atoms] == ELEMENTS.index_of(name)).all()):
                found[atoms] = ELEMENTS.index_of(name)
            else:
                raise LabkitError(
                    f"mask_input names Type, but the type {name!r} has no number; use load(..., types={{{name!r}: 1}})"
                )
        return found


def per_system(state: State) -> list[Tensor]:
    """The atoms of each system, a row (1, n) for each."""
    edges: Sequence[int] = state.system.offsets
    return [torch.arange(start, end)[None] for start, end in zip(edges, edges[1:], strict=False)]


def alike(state: State) -> list[Tensor]:
    """The atoms of all systems, (S, n) for those of one size n: replicas are evaluated in one call of a model."""
    counts = state.system.counts
    starts = torch.cumsum(counts, 0) - counts
    return [starts[counts == n][:, None] + torch.arange(n) for n in torch.unique(counts).tolist()]


def pairs(state: State) -> Tensor:
    """All pairs i < j within systems, (P, 2)."""
    found = []
    for atoms in alike(state):
        i, j = torch.triu_indices(atoms.shape[1], atoms.shape[1], 1)
        found.append(torch.stack([atoms[:, i], atoms[:, j]], 2).reshape(-1, 2))
    return torch.cat(found)
