"""The atoms of a LAMMPS group as a State: in the order of their tags, unwrapped, in labkit's units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ase.data import atomic_masses, atomic_numbers
from torch import Tensor

from labkit.base import State, System, Vocabulary, bonds_of
from labkit.base.bonded import bonds_among
from labkit.engine.held import refuse_held
from labkit.errors import LabkitError, suggest
from labkit.lammps.units import Units


@dataclass(frozen=True)
class Names:
    """Names and elements of LAMMPS's atom types 1, 2, ...; None: see `Host`."""

    types: Mapping[int, str] | None = None
    elements: Mapping[int, str] | None = None

    def vocabulary(self, count: int) -> Vocabulary:
        """Names of all types, in order; their numbers if they have none."""
        given = self.types or {}
        strange = sorted(set(given) - set(range(1, count + 1)), key=str)
        if strange:
            raise LabkitError(f"types: names are given for atom type {strange[0]!r}, but LAMMPS has types 1 to {count}")
        return Vocabulary(tuple(given.get(k, str(k)) for k in range(1, count + 1)))

    def numbers(self, types: np.ndarray, masses: np.ndarray) -> np.ndarray:
        """Atomic numbers: of the named elements, or of those with these masses unless types are named; otherwise 0."""
        if self.elements is None:
            nearest = np.abs(atomic_masses[None, 1:] - np.unique(masses)[:, None])
            if self.types is not None or not (nearest.min(1) < 0.02).all():
                return np.zeros_like(types)
            return 1 + nearest.argmin(1)[np.searchsorted(np.unique(masses), masses)]
        missing = sorted(set(types.tolist()) - set(self.elements))
        if missing:
            raise LabkitError(f"elements: atom type {missing[0]} is missing; add it, as in {{1: 'O', 2: 'H'}}")
        unknown = [name for name in self.elements.values() if name not in atomic_numbers]
        if unknown:
            raise LabkitError(f"elements: {unknown[0]!r} is not an element{suggest(unknown[0], atomic_numbers)}")
        return np.array([atomic_numbers[self.elements[t]] for t in types.tolist()])


class AtomGroup:
    """The members of a group, and their current values in LAMMPS.

    LAMMPS keeps atoms in an order that changes while it runs; here they are in the order of their tags (IDs).
    Positions are unwrapped by the image flags, so that they are continuous. The members are those at the start of a
    run.
    """

    def __init__(self, lmp: Any, name: str, units: Units, names: Names) -> None:
        self.lmp, self.name, self.units = lmp, name, units
        groups = lmp.available_ids("group")
        if name not in groups:
            known = [n for n in groups if n]
            raise LabkitError(f"group {name!r}: LAMMPS has {', '.join(known)}{suggest(name, known)}")
        count = lmp.extract_setting("nlocal")
        member = (self._array("mask", count) >> groups.index(name)) & 1 == 1
        if not member.any():
            raise LabkitError(f"group {name!r}: has no atoms; define it after the atoms, or choose another group")
        tags = self._array("id", count)[member].astype(np.int64)
        if (tags < 1).any():
            raise LabkitError(f"group {name!r}: its atoms have no IDs (atom_modify id no); labkit needs them")
        order = np.argsort(tags)
        self.tags = tags[order]
        self._place = np.full(int(self.tags[-1]) + 1, -1, dtype=np.int64)
        self._place[self.tags] = np.arange(len(tags))
        self.types = self._array("type", count)[member][order].astype(np.int64)
        masses = self._masses(member, order, count) * units.mass
        self.system = System(
            numbers=torch.as_tensor(names.numbers(self.types, masses)),
            masses=torch.as_tensor(masses),
            index=torch.zeros(len(tags), dtype=torch.int64),
            pbc=torch.tensor([[bool(p) for p in lmp.extract_box()[5]]]),
            types=torch.as_tensor(self.types - 1),
            vocabulary=names.vocabulary(lmp.extract_setting("ntypes")),
            bonds=self._bonds(),
        )
        refuse_held(
            self.system,
            f"group {name!r}",
            "LAMMPS holds an atom by moving only the group of all others: give masses, and leave it out of the group",
        )

    def rows(self) -> np.ndarray:
        """Current indices of the members among the local atoms, in the order of their tags."""
        tags = self._array("id", self.lmp.extract_setting("nlocal"))
        place = np.where(tags < len(self._place), self._place[np.minimum(tags, len(self._place) - 1)], -1)
        local = np.flatnonzero(place >= 0)
        if len(local) != len(self.tags):
            raise LabkitError(f"group {self.name}: {len(local)} of its {len(self.tags)} atoms are left; one was lost")
        rows = np.empty(len(local), dtype=np.int64)
        rows[place[local]] = local
        return rows

    def state(self, step: int, rows: np.ndarray, **more: Any) -> State:
        """Current positions, velocities and forces in LAMMPS."""
        units, cell = self.units, self.cell()
        x = self.numbers("x", rows) + self._images(rows) @ cell
        box = cell * np.array(self.lmp.extract_box()[5])[:, None]  # a direction that is open has no lattice vector
        return State(
            system=self.system,
            positions=torch.as_tensor(x * units.length),
            cell=torch.as_tensor(box * units.length)[None],
            velocities=torch.as_tensor(self.numbers("v", rows) * units.velocity),
            forces=torch.as_tensor(self.numbers("f", rows) * units.force),
            step=step,
            **more,
        )

    def cell(self) -> np.ndarray:
        """The box, rows are lattice vectors, in LAMMPS's units."""
        low, high, xy, yz, xz, _, _ = self.lmp.extract_box()
        x, y, z = (b - a for a, b in zip(low, high, strict=True))
        return np.array([[x, 0, 0], [xy, y, 0], [xz, yz, z]])

    def numbers(self, name: str, rows: np.ndarray) -> np.ndarray:
        """A copy of x, v or f (n, 3) of the members, in LAMMPS's units."""
        return self.lmp.numpy.extract_atom(name)[rows]

    def write(self, name: str, rows: np.ndarray, values: Tensor, unit: float) -> None:
        """Set x, v or f of the members from values in labkit's units."""
        self.lmp.numpy.extract_atom(name)[rows] = values.detach().cpu().numpy() / unit

    def _array(self, name: str, count: int) -> np.ndarray:
        return self.lmp.numpy.extract_atom(name)[:count]

    def _masses(self, member: np.ndarray, order: np.ndarray, count: int) -> np.ndarray:
        own = self.lmp.numpy.extract_atom("rmass")
        if own is not None and len(own):
            return own[:count][member][order].astype(float)
        return np.asarray(self.lmp.numpy.extract_atom("mass"), dtype=float).ravel()[self.types]

    def _bonds(self) -> Tensor | None:
        """Bonds of LAMMPS between members, (b, 2); None if LAMMPS has none at all."""
        if not self.lmp.extract_global("nbonds"):
            return None
        rows = np.asarray(self.lmp.gather_bonds()[1]).reshape(-1, 3)[:, 1:]  # type, two IDs
        size = max(int(rows.max()), len(self._place) - 1) + 1
        return bonds_of(bonds_among(torch.as_tensor(rows).long(), torch.as_tensor(self.tags), size), len(self.tags))

    def _images(self, rows: np.ndarray) -> np.ndarray:
        flags = self.lmp.numpy.extract_atom("image")[rows].astype(np.int64)
        bits = 10 if self.lmp.extract_setting("imageint") == 4 else 21
        return np.stack([(flags >> (k * bits) & (1 << bits) - 1) - (1 << bits - 1) for k in range(3)], axis=1)
