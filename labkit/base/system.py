"""System: what stays while atoms move, flat over a batch of systems."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import ase
import numpy as np
import torch
from ase.data import atomic_masses, chemical_symbols
from torch import Tensor

from labkit.errors import LabkitError


@dataclass(frozen=True, eq=False)
class System:
    """What does not change during dynamics, for S systems with n atoms in all.

    numbers (n,)   atomic numbers
    masses  (n,)   u; infinite for atoms that are held, which never move (`labkit.engine.hold`)
    index   (n,)   which system an atom belongs to, ascending
    pbc     (S, 3) which directions repeat
    topology       bonds and the like, or None
    """

    numbers: Tensor
    masses: Tensor
    index: Tensor
    pbc: Tensor
    topology: Any = None

    @property
    def n_atoms(self) -> int:
        return self.numbers.shape[0]

    @property
    def n_systems(self) -> int:
        return self.pbc.shape[0]

    @cached_property
    def counts(self) -> Tensor:
        """Atoms of each system, (S,)."""
        return torch.bincount(self.index, minlength=self.n_systems)

    @cached_property
    def offsets(self) -> list[int]:
        """Where each system's atoms begin and the last ones end, S + 1 numbers."""
        return [0, *torch.cumsum(self.counts, 0).tolist()]

    @cached_property
    def held(self) -> Tensor:
        """Which atoms are held: those of infinite mass, (n,) of bool."""
        return torch.isposinf(self.masses.detach())

    @cached_property
    def any_held(self) -> bool:
        """Whether an atom of the batch is held; asked of the device once."""
        return bool(self.held.any())

    @cached_property
    def held_counts(self) -> Tensor:
        """Held atoms of each system, (S,)."""
        return self.sum_over_atoms(self.held.long())

    @property
    def free_masses(self) -> Tensor:
        """Masses (n,) u with zero for held atoms, whose m v and m v² are zero: for sums over what moves."""
        return torch.where(self.held, 0.0, self.masses) if self.any_held else self.masses

    @cached_property
    def of_species(self) -> dict[int, Tensor]:
        """Indices of the atoms of each atomic number."""
        return {int(z): torch.nonzero(self.numbers == z).squeeze(1) for z in torch.unique(self.numbers)}

    def check_species(self, known: Collection[int]) -> None:
        """Raise LabkitError, naming the first atom, for an atomic number that is not among `known`."""
        for number, atoms in self.of_species.items():
            if number not in known:
                seen = ", ".join(chemical_symbols[z] for z in known)
                atom, frame = int(atoms[0]), int(self.index[atoms[0]])
                raise LabkitError(
                    f"frame {frame}, atom {atom - self.offsets[frame]}: {chemical_symbols[number]} is unknown to this "
                    f"model, which has seen {seen}; train with frames that contain {chemical_symbols[number]}"
                )

    def sum_over_atoms(self, values: Tensor) -> Tensor:
        """Sum (n, ...) over the atoms of each system, to (S, ...)."""
        return values.new_zeros(self.n_systems, *values.shape[1:]).index_add(0, self.index, values)

    def atoms_of(self, systems: Tensor) -> Tensor:
        """Indices of all atoms of these systems (k,), one system after the other."""
        first, counts = torch.tensor(self.offsets[:-1])[systems], self.counts.cpu()[systems]
        before = torch.cumsum(counts, 0) - counts
        found = torch.repeat_interleave(first - before, counts) + torch.arange(int(counts.sum()))
        return found.to(self.index.device)

    def take(self, systems: Tensor) -> System:
        """Only these systems (k,), numbered in the order in which they are given."""
        atoms, index = self.atoms_of(systems), torch.arange(len(systems))
        return replace(
            self,
            numbers=self.numbers[atoms],
            masses=self.masses[atoms],
            index=torch.repeat_interleave(index, self.counts.cpu()[systems]).to(self.index),
            pbc=self.pbc[systems.to(self.pbc.device)],
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> System:
        return replace(
            self,
            numbers=self.numbers.to(device=device),
            masses=self.masses.to(device=device, dtype=dtype),
            index=self.index.to(device=device),
            pbc=self.pbc.to(device=device),
        )


def check_atoms(atoms: ase.Atoms, where: str) -> None:
    """Raise LabkitError, naming `where` and the atom, for geometry that nothing can be computed from."""
    unknown = np.flatnonzero((atoms.numbers < 1) | (atoms.numbers >= len(atomic_masses)))
    if len(unknown):
        raise LabkitError(
            f"{where}, atom {unknown[0]}: atomic number {atoms.numbers[unknown[0]]} is no element; expected 1 to 118"
        )
    lost = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
    if len(lost):
        position = atoms.positions[lost[0]]
        raise LabkitError(f"{where}, atom {lost[0]}: position {position} is not finite; mend or drop it")
    lengths = atoms.cell.lengths()
    if not np.isfinite(lengths).all():
        raise LabkitError(f"{where}: the cell {atoms.cell.array.tolist()} is not finite; set it")
    flat = [axis for axis in range(3) if atoms.pbc[axis] and lengths[axis] < 1e-6]
    if flat:
        raise LabkitError(
            f"{where}: periodic along lattice vector {'abc'[flat[0]]}, but that vector is zero; "
            "set the cell, or pbc=False for an open system"
        )
    if atoms.pbc.any() and atoms.cell.complete().volume < 1e-6:
        raise LabkitError(f"{where}: the cell is periodic but has no volume: {atoms.cell.array.tolist()}; set the cell")
