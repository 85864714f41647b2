"""ArrayStructures: many structures in a few arrays, converted to ASE Atoms one at a time."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, overload

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_masses

from labkit.base import ELEMENTS, State, System, Vocabulary
from labkit.base.bonded import from_column
from labkit.config import config
from labkit.datasets.array_checks import (
    check_masses,
    check_numbers,
    check_positions,
    flattened,
    lattices,
    rows_of_atoms,
)
from labkit.datasets.structures import atoms_of
from labkit.errors import LabkitError
from labkit.units import ASE_TIME


@dataclass(frozen=True, eq=False)
class ArrayStructures(Sequence[Atoms]):
    """S of F frames with n atoms in all, in arrays that may be memory-mapped files; made by `build`.

    positions  (n, 3)               Å
    offsets    (F + 1,)             where each frame's atoms begin and the last one's end
    cell       (F, 3, 3) or (3, 3)  Å, of each frame or of all
    pbc        (F, 3) or (3,)
    per_atom   by name, numbers among them; (n, ...), or (N, ...) if all frames have the same N atoms. All of them
               are copied to ASE's `atoms.arrays`
    which      (S,)                 the frames that are selected

    >>> walkers = ArrayStructures.build(np.random.default_rng(0).normal(size=(1000, 3, 3)), [8, 1, 1])
    >>> len(walkers), walkers[-1].get_chemical_formula(), walkers.state(np.arange(5)).system.n_systems
    (1000, 'H2O', 5)
    """

    positions: np.ndarray
    offsets: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    per_atom: Mapping[str, np.ndarray]
    which: np.ndarray = field(repr=False)

    @classmethod
    def build(
        cls,
        positions: np.ndarray,
        numbers: Sequence[int] | np.ndarray,
        *,
        offsets: Sequence[int] | np.ndarray | None = None,
        cell: Any = None,
        pbc: Any = False,
        arrays: Mapping[str, Any] | None = None,
        where: str = "arrays",
    ) -> ArrayStructures:
        """From positions (F, N, 3), or (n, 3) with offsets (F + 1,); `arrays` are further values of atoms, by name.

        Raises LabkitError for shapes that do not fit, positions that are not finite, unknown elements, and periodic
        directions without a cell; `where` begins its message.
        """
        positions, offsets = flattened(positions, offsets, where)
        per_atom = rows_of_atoms({"numbers": numbers, **(arrays or {})}, offsets, where)
        check_numbers(per_atom["numbers"], offsets, where, {"types", "masses"} <= per_atom.keys())
        if "masses" in per_atom:
            check_masses(per_atom["masses"], offsets, where)
        cell, pbc = lattices(cell, pbc, len(offsets) - 1, where)
        check_positions(positions, offsets, where)
        return cls(positions, offsets, cell, pbc, per_atom, np.arange(len(offsets) - 1))

    def __len__(self) -> int:
        return len(self.which)

    @overload
    def __getitem__(self, i: int) -> Atoms: ...

    @overload
    def __getitem__(self, i: slice) -> ArrayStructures: ...

    def __getitem__(self, i: int | slice) -> Atoms | ArrayStructures:
        if isinstance(i, slice):
            return self.pick(np.arange(len(self))[i])
        k = operator.index(i)
        if not -len(self) <= k < len(self):
            raise IndexError(f"structure {k} of {len(self)}")
        one = np.array([k])
        values = {name: self.values(name, one) for name in self.per_atom}
        cell, pbc = self.of_frames("cell", one)[0], self.of_frames("pbc", one)[0]
        atoms = Atoms(values.pop("numbers"), positions=self.positions_of(one).astype(float), cell=cell, pbc=pbc)
        for name, array in values.items():
            atoms.set_array(name, array)
        return atoms

    @cached_property
    def counts(self) -> np.ndarray:
        """Atoms of each structure, (S,)."""
        return self.offsets[self.which + 1] - self.offsets[self.which]

    @cached_property
    def species(self) -> np.ndarray:
        """The atomic numbers that occur, ascending."""
        whole = np.arange(1 if self.shared("numbers") and len(self) else len(self))
        return np.unique(self.values("numbers", whole)).astype(int)

    def flat(self, rows: np.ndarray) -> np.ndarray:
        counts = self.counts[rows]
        begin = np.cumsum(4 * counts + 12) - (4 * counts + 12)  # of each structure: n numbers, 3 n positions, 9 and 3
        frame = np.repeat(np.arange(len(rows)), counts)
        atom = np.arange(len(frame)) - np.repeat(np.cumsum(counts) - counts, counts)
        out = np.empty(int((4 * counts + 12).sum()))
        out[begin[frame] + atom] = self.values("numbers", rows)
        out[((begin + counts)[frame] + 3 * atom)[:, None] + np.arange(3)] = self.positions_of(rows)
        after = (begin + 4 * counts)[:, None]
        out[after + np.arange(9)] = self.of_frames("cell", rows).reshape(-1, 9)
        out[after + np.arange(9, 12)] = self.of_frames("pbc", rows)
        return out

    def pick(self, rows: np.ndarray) -> ArrayStructures:
        """Some of the structures; only their indices are copied."""
        return replace(self, which=self.which[rows])

    def joined(self, other: ArrayStructures) -> ArrayStructures:
        """These structures and then the others', as arrays in memory; raises LabkitError if only one has some array."""
        if alone := self.per_atom.keys() ^ other.per_atom.keys():
            raise LabkitError(f"only one of the sets has the array {min(alone)!r}; set it in both or neither")
        both = [(part, np.arange(len(part))) for part in (self, other)]
        per_atom = {name: np.concatenate([s.values(name, rows) for s, rows in both]) for name in self.per_atom}
        cell, pbc = (np.concatenate([s.of_frames(name, rows) for s, rows in both]) for name in ("cell", "pbc"))
        positions = np.concatenate([s.positions_of(rows) for s, rows in both])
        offsets = np.concatenate([[0], np.cumsum(np.concatenate([self.counts, other.counts]))])
        return ArrayStructures(positions, offsets, cell, pbc, per_atom, np.arange(len(cell)))

    def state(
        self, rows: np.ndarray, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> State:
        """Some of the structures as one batch, at rest unless `per_atom` has ASE's momenta; no Atoms are made."""
        if not len(rows):
            raise LabkitError("no frames were given; expected at least one")
        dtype, device = dtype or config().dtype, device or config().device
        numbers = torch.as_tensor(self.values("numbers", rows).astype(np.int64))
        masses = self.values("masses", rows) if "masses" in self.per_atom else atomic_masses[numbers.numpy()]

        def tensor(array: np.ndarray, dtype: torch.dtype = dtype) -> torch.Tensor:
            return torch.as_tensor(np.array(array), dtype=dtype, device=device)

        index = torch.repeat_interleave(torch.arange(len(rows)), torch.as_tensor(self.counts[rows]))
        pbc = tensor(self.of_frames("pbc", rows), torch.bool)
        system = System(numbers.to(device), tensor(masses), index.to(device), pbc, *self._types(rows, device))
        positions = tensor(self.positions_of(rows))
        velocities = torch.zeros_like(positions)
        if "momenta" in self.per_atom:
            velocities = tensor(self.values("momenta", rows) / np.asarray(masses)[:, None] / ASE_TIME)
        return State(system, positions, tensor(self.of_frames("cell", rows)), velocities)

    def _types(self, rows: np.ndarray, device: Any) -> tuple[torch.Tensor | None, Vocabulary, torch.Tensor | None]:
        """Types, their vocabulary and the bonds of some structures."""
        types, vocabulary, bonds = None, ELEMENTS, None
        if "types" in self.per_atom:
            one = rows[:1] if self.shared("types") else rows
            names, which = np.unique(self.values("types", one).astype(str), return_inverse=True)
            types = torch.as_tensor(np.tile(which, len(rows) // len(one))).to(device)
            vocabulary = Vocabulary(tuple(names.tolist()))
        if "bonded" in self.per_atom:
            text, ends = self.values("bonded", rows), np.cumsum(self.counts[rows])
            if self.shared("bonded"):
                found = from_column(text[: ends[0]], "all frames")
                found = (found + (ends - ends[0])[:, None, None]).reshape(-1, 2)
            else:
                parts = zip(np.split(text, ends[:-1]), ends - self.counts[rows], self.which[rows], strict=True)
                found = np.concatenate([from_column(part, f"frame {k}") + start for part, start, k in parts])
            bonds = torch.as_tensor(found).to(device)
        return types, vocabulary, bonds

    def column(self, name: str, rows: np.ndarray) -> list[str] | None:
        return self.values(name, rows).astype(str).tolist() if name in self.per_atom else None

    def positions_of(self, rows: np.ndarray) -> np.ndarray:
        """(n, 3) Å of some structures, one after another; a copy."""
        return np.asarray(self.positions[atoms_of(self.which[rows], self.offsets)])

    def of_frames(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Cells (S, 3, 3) or pbc (S, 3) of some structures."""
        array, shape = (self.cell, (3, 3)) if name == "cell" else (self.pbc, (3,))
        return np.broadcast_to(array, (len(rows), *shape)) if array.shape == shape else array[self.which[rows]]

    def shared(self, name: str) -> bool:
        """Whether an array has the rows of one frame, which all frames share."""
        return len(self.per_atom[name]) != len(self.positions)

    def values(self, name: str, rows: np.ndarray) -> np.ndarray:
        """An array of atoms, for some structures one after another; a copy."""
        array = self.per_atom[name]
        if self.shared(name):
            return np.tile(array, (len(rows), *(1 for _ in array.shape[1:])))
        return np.asarray(array[atoms_of(self.which[rows], self.offsets)])
