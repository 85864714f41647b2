"""System: what does not change while atoms move, flat over a batch of systems."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import ase
import numpy as np
import torch
from ase.data import atomic_masses, chemical_symbols
from torch import Tensor

from labkit.base.ase_columns import type_names
from labkit.base.bonded import bonds_among
from labkit.base.vocabulary import ELEMENTS, Vocabulary
from labkit.errors import LabkitError


@dataclass(frozen=True, eq=False)
class System:
    """What does not change during dynamics, for S systems with n atoms in all.

    numbers (n,)   atomic numbers; 0 for what is not an element, such as a bead, which has a type
    masses  (n,)   u; infinite for atoms that are held, which never move (`labkit.engine.hold`)
    index   (n,)   which system an atom belongs to, ascending
    pbc     (S, 3) periodic directions
    types   (n,)   numbers of the names in `vocabulary`: kinds of beads, or of atoms in a force field; the elements
                   if none are given
    bonds   (b, 2) bonded atoms, flat over the batch; None if they are not known
    """

    numbers: Tensor
    masses: Tensor
    index: Tensor
    pbc: Tensor
    types: Tensor = None  # type: ignore[assignment]  # the elements, see __post_init__
    vocabulary: Vocabulary = ELEMENTS
    bonds: Tensor | None = None

    def __post_init__(self) -> None:
        if self.types is None:
            if self.vocabulary != ELEMENTS:
                raise LabkitError(f"a vocabulary ({self.vocabulary}) without types; give each atom's type")
            object.__setattr__(self, "types", self.numbers)
        if self.types.shape != self.numbers.shape:
            raise LabkitError(f"{len(self.types)} types for {len(self.numbers)} atoms; give one for each")
        if self.types is not self.numbers and self.vocabulary == ELEMENTS and not torch.equal(self.types, self.numbers):
            raise LabkitError("types that are not the atomic numbers, without a vocabulary; give their names, too")

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
    def place(self) -> Tensor:
        """The place of each atom within its system, (n,)."""
        first = torch.cumsum(self.counts, 0) - self.counts
        return torch.arange(self.n_atoms, device=self.index.device) - first.index_select(0, self.index)

    @cached_property
    def offsets(self) -> list[int]:
        """The first atom of each system and the total number of atoms, S + 1 numbers."""
        return [0, *torch.cumsum(self.counts, 0).tolist()]

    @cached_property
    def held(self) -> Tensor:
        """Which atoms are held: those of infinite mass, (n,) of bool."""
        return torch.isposinf(self.masses.detach())

    @cached_property
    def any_held(self) -> bool:
        """Whether an atom of the batch is held; read from the device once."""
        return bool(self.held.any())

    @cached_property
    def held_counts(self) -> Tensor:
        """Held atoms of each system, (S,)."""
        return self.sum_over_atoms(self.held.long())

    @property
    def free_masses(self) -> Tensor:
        """Masses (n,) u with zero for held atoms, whose m v and m v² are zero: for sums over moving atoms."""
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
                if number == 0:
                    raise LabkitError(
                        f"{self.locate(atoms[0])}: type {self.type_name(atoms[0])} is not an element; this model is "
                        f"for elements ({seen}): use a model of bead types"
                    )
                raise LabkitError(
                    f"{self.locate(atoms[0])}: {chemical_symbols[number]} is unknown to this model, which has seen "
                    f"{seen}; train with frames that contain {chemical_symbols[number]}"
                )

    @cached_property
    def of_types(self) -> dict[str, Tensor]:
        """Indices of the atoms of each type, by its name."""
        return {self.vocabulary.names[t]: torch.nonzero(self.types == t).squeeze(1) for t in torch.unique(self.types)}

    @cached_property
    def of_kinds(self) -> dict[str, Tensor]:
        """Indices of the atoms of each element, by its symbol, and of beads, by the name of their type.

        >>> from ase.build import molecule
        >>> from labkit.base import State
        >>> {kind: atoms.tolist() for kind, atoms in State.from_atoms(molecule("H2O")).system.of_kinds.items()}
        {'H': [1, 2], 'O': [0]}
        """
        found = {chemical_symbols[number]: atoms for number, atoms in self.of_species.items() if number}
        beads = ((name, atoms[self.numbers[atoms] == 0]) for name, atoms in self.of_types.items())
        return found | {name: atoms for name, atoms in beads if len(atoms)}

    def types_in(self, vocabulary: Vocabulary) -> Tensor:
        """Types (n,) as numbers of another vocabulary, such as that of a model.

        If it contains only elements, an atom counts as its element, whatever its type in a force field.
        Raises LabkitError, naming the first atom, for a type that is not in it.
        """
        if vocabulary == self.vocabulary:
            return self.types
        elements, size = all(name in ELEMENTS for name in vocabulary), len(self.vocabulary)
        kinds, which = torch.unique(self.numbers * size + self.types, return_inverse=True)
        place = []
        for k, (number, kind) in enumerate(divmod(both, size) for both in kinds.tolist()):
            name = ELEMENTS.names[number] if number and elements else self.vocabulary.names[kind]
            try:
                place.append(vocabulary.index_of(name))
            except LabkitError as error:
                raise LabkitError(f"{self.locate(torch.nonzero(which == k)[0, 0])}: {error}") from None
        return torch.tensor(place, dtype=torch.int64, device=which.device)[which]

    def type_name(self, atom: int | Tensor) -> str:
        """The name of an atom's type."""
        return self.vocabulary.names[int(self.types[atom])]

    def locate(self, atom: int | Tensor) -> str:
        """The name of an atom in messages: "frame 2, atom 5", both counted from 0."""
        frame = int(self.index[atom])
        return f"frame {frame}, atom {int(atom) - self.offsets[frame]}"

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
            types=None if self.vocabulary == ELEMENTS else self.types[atoms],
            bonds=None if self.bonds is None else bonds_among(self.bonds, atoms, self.n_atoms),
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> System:
        return replace(
            self,
            numbers=self.numbers.to(device=device),
            masses=self.masses.to(device=device, dtype=dtype),
            index=self.index.to(device=device),
            pbc=self.pbc.to(device=device),
            types=None if self.vocabulary == ELEMENTS else self.types.to(device=device),
            bonds=None if self.bonds is None else self.bonds.to(device=device),
        )

    @classmethod
    def batch(cls, systems: Sequence[System]) -> System:
        """Several systems as one batch; bonds are known if they are known for all systems of more than one atom."""
        systems = list(systems)
        first, vocabulary = systems[0], Vocabulary.join([s.vocabulary for s in systems])

        def joined(parts: Sequence[Tensor]) -> Tensor:
            return torch.cat([part.to(parts[0]) for part in parts])

        starts = np.cumsum([0, *(s.n_systems for s in systems)]).tolist()
        atoms = np.cumsum([0, *(s.n_atoms for s in systems)]).tolist()
        none = first.index.new_zeros(0, 2)
        bonds = [none if s.bonds is None and s.n_atoms == s.n_systems else s.bonds for s in systems]
        known = any(s.bonds is not None for s in systems) and all(b is not None for b in bonds)
        return cls(
            *(joined([getattr(s, name) for s in systems]) for name in ("numbers", "masses")),
            index=joined([s.index + start for s, start in zip(systems, starts, strict=False)]),
            pbc=joined([s.pbc for s in systems]),
            types=None if vocabulary == ELEMENTS else joined([s.types_in(vocabulary) for s in systems]),
            vocabulary=vocabulary,
            bonds=joined([b + start for b, start in zip(bonds, atoms, strict=False)]) if known else None,
        )


def check_atoms(atoms: ase.Atoms, where: str) -> None:
    """Raise LabkitError, naming `where` and the atom, for a geometry that cannot be computed."""
    beads = type_names(atoms, where) is not None and atoms.has("masses")
    unknown = np.flatnonzero((atoms.numbers < (0 if beads else 1)) | (atoms.numbers >= len(atomic_masses)))
    if len(unknown):
        number = atoms.numbers[unknown[0]]
        bead = "; a bead needs its name in atoms.arrays['types'] and a mass" if number == 0 else ""
        raise LabkitError(
            f"{where}, atom {unknown[0]}: atomic number {number} is not an element; expected 1 to 118{bead}"
        )
    if atoms.has("masses"):
        check_masses(atoms.get_masses(), where)
    lost = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
    if len(lost):
        position = atoms.positions[lost[0]]
        raise LabkitError(f"{where}, atom {lost[0]}: position {position} is not finite; correct or remove it")
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


def check_masses(masses: np.ndarray, where: str) -> None:
    """Raise LabkitError, naming `where` and the atom, for a mass that is not positive; infinite ones hold an atom."""
    wrong = np.flatnonzero(~(np.asarray(masses) > 0))
    if len(wrong):
        raise LabkitError(f"{where}, atom {wrong[0]}: mass is {masses[wrong[0]]:g} u; expected a positive number")
