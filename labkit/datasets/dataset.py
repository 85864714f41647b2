"""Labelled frames: structures, what was computed for them, and where they come from."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from labkit.base.state import State
from labkit.datasets.array_files import write_folder
from labkit.datasets.array_structures import ArrayStructures
from labkit.datasets.collect import collect
from labkit.datasets.columns import Columns
from labkit.datasets.digest import digest
from labkit.datasets.labels import LABELS, DatasetWarning, Key, label_arrays
from labkit.datasets.source import of_both, of_selection, remember
from labkit.datasets.split import parts, split_rows, warn_of_leak
from labkit.datasets.structures import AtomsList, Structures, atoms_of, joined, selected, take
from labkit.datasets.writing import write_frames
from labkit.errors import LabkitError, suggest


@dataclass(frozen=True, eq=False)
class Dataset:
    """S frames with n atoms in all, and their labels, NaN where a frame has none.

    atoms           S structures, without calculators: a list, or arrays from which each is made when needed
    energy          (S,)       eV
    forces          (n, 3)     eV/Å
    stress          (S, 3, 3)  eV/Å^3, +(1/V) dE/dstrain as in ASE
    polarizability  (S, 3, 3)  Å^3
    born_charges    (n, 3, 3)  e; row: direction of the field, column: direction of the force
    info            S dicts of everything else: trajectory, sample, ...
    source          Python that gives these frames, as in labkit.load("mine.xyz")[:40]; "" if they were changed since

    `ds[which]` with an int, slice, list or boolean array is a Dataset too, `ds.state(which)` a batch of states;
    `a + b` joins two.

    >>> from labkit.datasets import ice
    >>> ds = ice("train", n=50)
    >>> ds.energy.shape, ds.forces.shape, ds[:2].species.tolist()
    ((50,), (600, 3), [1, 8])
    """

    atoms: Structures
    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray
    polarizability: np.ndarray
    born_charges: np.ndarray
    info: Sequence[dict[str, Any]]
    name: str = ""
    source: str = field(default="", init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.atoms, (AtomsList, ArrayStructures)):
            object.__setattr__(self, "atoms", AtomsList(self.atoms))

    @classmethod
    def from_atoms(
        cls,
        frames: Sequence[Atoms],
        energy_key: Key = None,
        forces_key: Key = None,
        stress_key: Key = None,
        polarizability_key: Key = None,
        name: str = "",
        *,
        born_charges_key: Key = None,
        keep_placeholders: bool = False,
    ) -> Dataset:
        """Take labels from the calculators, info and arrays of ASE Atoms; keys and placeholders are as in `load`.

        >>> from ase.build import molecule
        >>> water = molecule("H2O")
        >>> water.info["energy"] = -14.2
        >>> Dataset.from_atoms([water]).energy.tolist()
        [-14.2]
        """
        requested = {
            "energy": energy_key,
            "forces": forces_key,
            "stress": stress_key,
            "polarizability": polarizability_key,
            "born_charges": born_charges_key,
        }
        found = collect(list(frames), requested, name or "frames", keep_placeholders=keep_placeholders)
        for note in found.notes:
            warnings.warn(f"{name or 'frames'}: {note}", DatasetWarning, stacklevel=2)
        return cls(found.atoms, **found.labels, info=found.info, name=name)

    @classmethod
    def from_arrays(
        cls,
        positions: np.ndarray,
        numbers: Sequence[int] | np.ndarray,
        *,
        offsets: Sequence[int] | np.ndarray | None = None,
        cell: Any = None,
        pbc: Any = False,
        arrays: Mapping[str, Any] | None = None,
        info: Mapping[str, np.ndarray] | None = None,
        name: str = "",
        **labels: np.ndarray,
    ) -> Dataset:
        """Many frames without ASE Atoms: arrays of all of them, which may be memory-mapped files and are not copied.

        positions       (F, N, 3) Å, or (n, 3) with offsets (F + 1,): the first atom of each frame, and n
        numbers         (N,), the same in all frames, or (n,)
        cell, pbc       of each frame or of all
        arrays          further values of atoms by name, shaped as numbers are, and passed on to ASE
        labels, info    those of Dataset, missing ones are NaN; and further arrays with a row for each frame

        Raises LabkitError, naming the array, frame and atom, if a shape does not fit or a value is not finite.

        >>> positions = np.random.default_rng(0).normal(size=(1000, 2, 3))
        >>> ds = Dataset.from_arrays(positions, [1, 1], energy=np.zeros(1000), name="pairs")
        >>> ds, ds.state([0, 7]).system.n_atoms
        (Dataset('pairs', 1000 frames, 2000 atoms), 4)
        """
        where = name or "arrays"
        atoms = ArrayStructures.build(
            positions, numbers, offsets=offsets, cell=cell, pbc=pbc, arrays=arrays, where=where
        )
        found = label_arrays(labels, len(atoms), len(atoms.positions), where)
        return cls(atoms, **found, info=Columns(info or {}, len(atoms), where), name=name)

    def __len__(self) -> int:
        return len(self.atoms)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {len(self)} frames, {self.offsets[-1]} atoms)"

    @cached_property
    def counts(self) -> np.ndarray:
        """Atoms of each frame, (S,)."""
        return self.atoms.counts

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each frame's atoms begin, and the last one's end, (S + 1,)."""
        return np.concatenate([[0], np.cumsum(self.counts)]).astype(int)

    @cached_property
    def species(self) -> np.ndarray:
        """The atomic numbers that occur, ascending."""
        return self.atoms.species

    @cached_property
    def hash(self) -> str:
        """sha256 of structures (with types and bonds) and labels, in order; names and info are left out."""
        return digest(self.atoms, [getattr(self, label.name) for label in LABELS])

    def __getitem__(self, which: int | slice | Sequence[int] | np.ndarray) -> Dataset:
        rows = selected(which, len(self))
        flat = atoms_of(rows, self.offsets)
        labels = {x.name: take(getattr(self, x.name), flat if x.per_atom else rows) for x in LABELS}
        info = self.info.pick(rows) if isinstance(self.info, Columns) else [self.info[i] for i in rows]
        picked = Dataset(self.atoms.pick(rows), **labels, info=info, name=self.name)
        return remember(picked, of_selection(self.source, which, rows))

    def __iter__(self) -> Iterator[Dataset]:
        return (self[i] for i in range(len(self)))

    def __add__(self, other: Dataset) -> Dataset:
        labels = {x.name: joined(getattr(self, x.name), getattr(other, x.name)) for x in LABELS}
        name = self.name if self.name == other.name else f"{self.name} + {other.name}"
        arrays = isinstance(self.atoms, ArrayStructures) and isinstance(other.atoms, ArrayStructures)
        atoms = self.atoms.joined(other.atoms) if arrays else [*self.atoms, *other.atoms]
        info = self.info + other.info if isinstance(self.info, Columns) else [*self.info, *other.info]
        return remember(Dataset(atoms, **labels, info=info, name=name), of_both(self.source, other.source))

    def split(self, valid: float = 0.2, by: str = "", seed: int = 0) -> tuple[Dataset, Dataset]:
        """Training and validation frames; `valid` is the part of the frames to validate on.

        by    "trajectory", or another name in info: whole groups become validation frames, chosen by `seed`;
              "blocks": stretches of neighbouring frames, as of one long run; "random": frames chosen by `seed`.
              By default the groups that the frames name, or blocks.

        Gives a DatasetWarning if most validation frames come right before or after training frames: these are alike,
        and the validation error is then too small. Raises LabkitError for frames that cannot be split so.

        >>> from labkit.datasets import ice
        >>> train, valid = ice("train", n=50).split(by="trajectory")
        >>> len(train), len(valid), {x["trajectory"] for x in train.info} & {x["trajectory"] for x in valid.info}
        (41, 9, set())
        """
        found = split_rows(self, valid, by, seed)
        warn_of_leak(self, found)
        return parts(self, found, valid, by, seed)

    def state(self, which: int | slice | Sequence[int] | np.ndarray = slice(None), **options: Any) -> State:
        """Some frames as one batch, in order; `options` are dtype and device, as in State.from_atoms."""
        return self.atoms.state(selected(which, len(self)), **options)

    def label(self, name: str, which: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """One label of some frames, in the order of `state(which)`: (S, ...), or for forces (n, 3) of their atoms.

        >>> from labkit.datasets import ice
        >>> ice("train", n=50).label("forces", [3, 1]).shape
        (24, 3)
        """
        known = {label.name: label for label in LABELS}
        if name not in known:
            raise LabkitError(f"{name!r} is not a label; expected one of {', '.join(known)}{suggest(name, known)}")
        rows = selected(which, len(self))
        return take(getattr(self, name), atoms_of(rows, self.offsets) if known[name].per_atom else rows)

    def labels(self, i: int) -> dict[str, np.ndarray]:
        """The labels that frame `i` has, by name; NaN where some components are missing."""
        span = slice(self.offsets[i], self.offsets[i + 1])
        found = {x.name: getattr(self, x.name)[span if x.per_atom else i] for x in LABELS}
        return {name: x for name, x in found.items() if not np.isnan(x).all()}

    def frames(self) -> Iterator[Atoms]:
        """Yield ASE Atoms with a SinglePointCalculator; polarizability in info, born_charges in arrays (n, 9)."""
        for i, structure in enumerate(self.atoms):
            atoms, found = structure.copy(), self.labels(i)
            atoms.info = dict(self.info[i])
            if "polarizability" in found:
                atoms.info["polarizability"] = found.pop("polarizability")
            if "born_charges" in found:
                atoms.set_array("born_charges", found.pop("born_charges").reshape(-1, 9))
            if "stress" in found:
                found["stress"] = full_3x3_to_voigt_6_stress(found["stress"])
            if "energy" in found:
                found["energy"] = float(found["energy"])
            atoms.calc = SinglePointCalculator(atoms, **found)
            yield atoms

    def write_arrays(self, folder: str | os.PathLike[str]) -> None:
        """Write a new folder of .npy files, a file for each array, which `labkit.load` memory-maps; for many frames."""
        write_folder(folder, self.atoms, {x.name: getattr(self, x.name) for x in LABELS}, self.info)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write extended XYZ with all digits, compressed if `path` ends in .xz, .gz or .bz2; all of it or nothing."""
        write_frames(path, ((a, self.labels(i), self.info[i]) for i, a in enumerate(self.atoms)))
