"""System and State: what stays and what moves, flat over a batch of systems."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import ase
import numpy as np
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_masses, chemical_symbols
from torch import Tensor

from labkit.base.ase_columns import read_bonds, read_types, type_names, write_columns
from labkit.base.vocabulary import ELEMENTS, Vocabulary
from labkit.config import config
from labkit.errors import LabkitError
from labkit.units import ASE_TIME


@dataclass(frozen=True, eq=False)
class System:
    """What does not change during dynamics, for S systems with n atoms in all.

    numbers (n,)   atomic numbers; 0 for what is no element, such as a bead: its type says what it is
    masses  (n,)   u; infinite for atoms that are held, which never move (`labkit.engine.hold`)
    index   (n,)   which system an atom belongs to, ascending
    pbc     (S, 3) which directions repeat
    types   (n,)   numbers of the names in `vocabulary`: kinds of beads, or of atoms in a force field; the elements
                   where none are given
    bonds   (b, 2) bonded atoms, flat over the batch; None where they are not known
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
                if number == 0:
                    raise LabkitError(
                        f"{self.locate(atoms[0])}: type {self.type_name(atoms[0])} is no element; this model is one of "
                        f"elements ({seen}): use a model of bead types"
                    )
                raise LabkitError(
                    f"{self.locate(atoms[0])}: {chemical_symbols[number]} is unknown to this model, which has seen "
                    f"{seen}; train with frames that contain {chemical_symbols[number]}"
                )

    @cached_property
    def of_types(self) -> dict[str, Tensor]:
        """Indices of the atoms of each type, by its name."""
        return {self.vocabulary.names[t]: torch.nonzero(self.types == t).squeeze(1) for t in torch.unique(self.types)}

    def types_in(self, vocabulary: Vocabulary) -> Tensor:
        """Types (n,) as numbers of another vocabulary, such as that of a model.

        Where that one names elements alone, an atom is taken for its element, whatever its type in a force field.
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
        """An atom of the batch as messages name it: "frame 2, atom 5", both counted from 0."""
        frame = int(self.index[atom])
        return f"frame {frame}, atom {int(atom) - self.offsets[frame]}"

    def sum_over_atoms(self, values: Tensor) -> Tensor:
        """Sum (n, ...) over the atoms of each system, to (S, ...)."""
        return values.new_zeros(self.n_systems, *values.shape[1:]).index_add(0, self.index, values)

    def to(self, device: torch.device | str) -> System:
        return replace(
            self,
            numbers=self.numbers.to(device),
            masses=self.masses.to(device),
            index=self.index.to(device),
            pbc=self.pbc.to(device),
            types=None if self.vocabulary == ELEMENTS else self.types.to(device),
            bonds=None if self.bonds is None else self.bonds.to(device),
        )

    @classmethod
    def batch(cls, systems: Sequence[System]) -> System:
        """Several as one; bonds are known where they are of all, or where a system is one atom."""
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


@dataclass(frozen=True, eq=False)
class State:
    """What moves; a step of dynamics returns a new one.

    positions  (n, 3)    Å
    cell       (S, 3, 3) Å, rows are lattice vectors
    velocities (n, 3)    Å/fs
    forces     (n, 3)    eV/Å of the last evaluation, or None
    aux                  a thermostat's or barostat's own variables
    step, seed           noise is a function of these alone

    >>> from ase.build import molecule
    >>> state = State.from_atoms([molecule("H2O"), molecule("CH4")])
    >>> state.system.n_systems, tuple(state.positions.shape)
    (2, (8, 3))
    """

    system: System
    positions: Tensor
    cell: Tensor
    velocities: Tensor
    forces: Tensor | None = None
    aux: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    seed: int = 0

    @classmethod
    def from_atoms(
        cls,
        atoms: ase.Atoms | Sequence[ase.Atoms],
        *,
        seed: int = 0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        """Take one ASE Atoms or a sequence of them as one batch.

        Atoms of infinite mass are held, as in `to_atoms`; ASE's own constraints, such as FixAtoms, are not read: use
        `labkit.engine.hold(state, fixed.index)`. The array "types" holds names of types; atoms that have them and
        masses may be beads, of the atomic number 0. The array "bonded" (as `to_atoms` writes it) holds bonds.

        Raises LabkitError for an empty sequence, an unknown element, a position that is not a number, or a frame that
        is periodic along a lattice vector of length zero.
        """
        frames = [atoms] if isinstance(atoms, ase.Atoms) else list(atoms)
        if not frames:
            raise LabkitError("no frames were given; expected one ase.Atoms or a sequence of at least one")
        for number, frame in enumerate(frames):
            check_atoms(frame, f"frame {number}")
        dtype, device = dtype or config().dtype, device or config().device
        counts = torch.tensor([len(frame) for frame in frames])

        def tensor(arrays: list[np.ndarray]) -> Tensor:
            return torch.as_tensor(np.concatenate(arrays), dtype=dtype, device=device)

        (types, vocabulary), bonds = read_types(frames), read_bonds(frames)
        system = System(
            numbers=torch.as_tensor(np.concatenate([f.numbers for f in frames]), dtype=torch.int64, device=device),
            masses=tensor([f.get_masses() for f in frames]),
            index=torch.repeat_interleave(torch.arange(len(frames)), counts).to(device),
            pbc=torch.as_tensor(np.stack([f.pbc for f in frames]), device=device),
            types=None if types is None else types.to(device),
            vocabulary=vocabulary,
            bonds=None if bonds is None else bonds.to(device),
        )
        velocities = tensor([f.get_velocities() / ASE_TIME for f in frames])
        if system.any_held:  # ASE may have a momentum inf * 0 there
            velocities = torch.where(system.held[:, None], 0.0, velocities)
        return cls(
            system=system,
            positions=tensor([f.positions for f in frames]),
            cell=tensor([f.cell.array[None] for f in frames]),
            velocities=velocities,
            seed=seed,
        )

    @classmethod
    def batch(cls, states: Sequence[State]) -> State:
        """Several states, of the same or of different systems, as one batch in their order.

        Step and seed are the first one's; forces and aux, which the batch has to find anew, are left out.
        Raises LabkitError where there is none.

        >>> from ase.build import molecule
        >>> water = State.from_atoms(molecule("H2O"))
        >>> State.batch([water] * 3).system.n_systems
        3
        """
        states = list(states)
        if not states:
            raise LabkitError("no states were given; expected a sequence of at least one")
        first = states[0]

        def joined(parts: Sequence[Tensor]) -> Tensor:
            return torch.cat([part.to(parts[0]) for part in parts])

        system = System.batch([state.system for state in states])
        moving = (joined([getattr(s, name) for s in states]) for name in ("positions", "cell", "velocities"))
        return cls(system, *moving, step=first.step, seed=first.seed)

    def to_atoms(self, energy: Tensor | None = None) -> list[ase.Atoms]:
        """Give the batch back as ASE Atoms, with velocities and, where known, energies (S,) eV and forces.

        Held atoms keep their infinite mass. They do not become FixAtoms, which would make ASE report their forces as
        zero, and those are what mean forces are made of.
        """
        numbers, index = self.system.numbers.cpu().numpy(), self.system.index.cpu().numpy()
        names = np.array(self.system.vocabulary.names, dtype=object)[self.system.types.cpu().numpy()]
        bonds = None if self.system.bonds is None else self.system.bonds.cpu().numpy()
        frames = []
        for s in range(self.system.n_systems):
            mine = index == s
            frame = ase.Atoms(
                numbers[mine],
                positions=self.positions.detach().cpu().numpy()[mine],
                cell=self.cell[s].detach().cpu().numpy(),
                pbc=self.system.pbc[s].cpu().numpy(),
                masses=self.system.masses.cpu().numpy()[mine],
            )
            own = None if bonds is None else bonds[index[bonds[:, 0]] == s] - self.system.offsets[s]
            write_columns(frame, names[mine].tolist(), own)
            velocities = self.velocities.detach().cpu().numpy()[mine] * ASE_TIME
            if self.system.any_held:  # ASE stores momenta, and inf * 0 is no number
                frame.set_momenta(self.system.free_masses.detach().cpu().numpy()[mine][:, None] * velocities)
            else:
                frame.set_velocities(velocities)
            results = {}
            if energy is not None:
                results["energy"] = float(energy[s])
            if self.forces is not None:
                results["forces"] = self.forces.detach().cpu().numpy()[mine]
            if results:
                frame.calc = SinglePointCalculator(frame, **results)
            frames.append(frame)
        return frames

    def replace(self, **changes: Any) -> State:
        """A copy with some fields exchanged."""
        return replace(self, **changes)

    def to(self, device: torch.device | str) -> State:
        return replace(
            self,
            system=self.system.to(device),
            positions=self.positions.to(device),
            cell=self.cell.to(device),
            velocities=self.velocities.to(device),
            forces=None if self.forces is None else self.forces.to(device),
            aux={key: value.to(device) for key, value in self.aux.items()},
        )

    def volume(self) -> Tensor:
        """Volumes (S,) in Å^3; zero for an open system without a cell."""
        return torch.abs(torch.linalg.det(self.cell))


def check_atoms(atoms: ase.Atoms, where: str) -> None:
    """Raise LabkitError, naming `where` and the atom, for geometry that nothing can be computed from."""
    beads = type_names(atoms, where) is not None and atoms.has("masses")
    unknown = np.flatnonzero((atoms.numbers < (0 if beads else 1)) | (atoms.numbers >= len(atomic_masses)))
    if len(unknown):
        number = atoms.numbers[unknown[0]]
        bead = "; a bead needs its name in atoms.arrays['types'] and a mass" if number == 0 else ""
        raise LabkitError(f"{where}, atom {unknown[0]}: atomic number {number} is no element; expected 1 to 118{bead}")
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
