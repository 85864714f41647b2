"""Labelled frames: structures, what was computed for them, and where they come from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from labkit.base.progress import NO_PROGRESS, Progress
from labkit.datasets.collect import collect
from labkit.datasets.labels import LABELS, Key
from labkit.datasets.writing import write_frames

if TYPE_CHECKING:
    from labkit.datasets.report import Report


@dataclass(frozen=True, eq=False)
class Dataset:
    """S frames with n atoms in all, and their labels, NaN where a frame has none.

    atoms           S structures, without calculators
    energy          (S,)       eV
    forces          (n, 3)     eV/Å
    stress          (S, 3, 3)  eV/Å^3, +(1/V) dE/dstrain as in ASE
    polarizability  (S, 3, 3)  Å^3
    born_charges    (n, 3, 3)  e; row: direction of the field, column: direction of the force
    info            S dicts of everything else: trajectory, sample, ...

    `ds[i]` with an int, slice, list or boolean array is a Dataset again; `a + b` joins two.

    >>> from labkit.datasets import ice
    >>> ds = ice("train", n=50)
    >>> ds.energy.shape, ds.forces.shape, ds[:2].species.tolist()
    ((50,), (600, 3), [1, 8])
    """

    atoms: list[Atoms]
    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray
    polarizability: np.ndarray
    born_charges: np.ndarray
    info: list[dict[str, Any]]
    name: str = ""

    @classmethod
    def from_atoms(
        cls,
        frames: Sequence[Atoms],
        energy_key: Key = None,
        forces_key: Key = None,
        stress_key: Key = None,
        polarizability_key: Key = None,
        name: str = "",
    ) -> Dataset:
        """Take labels from the calculators, info and arrays of ASE Atoms; keys are found as `load` does.

        >>> from ase.build import molecule
        >>> water = molecule("H2O")
        >>> water.info["energy"] = -14.2
        >>> Dataset.from_atoms([water]).energy.tolist()
        [-14.2]
        """
        asked = {
            "energy": energy_key,
            "forces": forces_key,
            "stress": stress_key,
            "polarizability": polarizability_key,
        }
        found = collect(list(frames), asked, name or "frames")
        return cls(found.atoms, **found.labels, info=found.info, name=name)

    def __len__(self) -> int:
        return len(self.atoms)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {len(self)} frames, {self.offsets[-1]} atoms)"

    @cached_property
    def counts(self) -> np.ndarray:
        """Atoms of each frame, (S,)."""
        return np.array([len(a) for a in self.atoms], dtype=int)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each frame's atoms begin and the last one's end, (S + 1,)."""
        return np.concatenate([[0], np.cumsum(self.counts)]).astype(int)

    @cached_property
    def species(self) -> np.ndarray:
        """The atomic numbers that occur, ascending."""
        return np.unique(np.concatenate([a.numbers for a in self.atoms] or [np.zeros(0, int)]))

    @cached_property
    def hash(self) -> str:
        """sha256 of structures (with types and bonds) and labels, in their order; name and info do not count."""
        digest = hashlib.sha256()
        arrays = [self.counts, *(getattr(self, label.name) for label in LABELS)]
        for a in self.atoms:
            arrays += [a.numbers, a.positions, a.cell.array, a.pbc]
        for array in arrays:
            array = np.asarray(array, dtype="<f8") + 0.0  # + 0.0 makes -0.0 and 0.0 one number
            digest.update(np.where(np.isnan(array), np.nan, array).tobytes())
        for a in self.atoms:  # of beads, whose numbers say nothing
            for name in ("types", "bonded"):
                if name in a.arrays:
                    digest.update(f"{name} {' '.join(map(str, a.arrays[name].ravel().tolist()))}\n".encode())
        return digest.hexdigest()

    def __getitem__(self, which: int | slice | Sequence[int] | np.ndarray) -> Dataset:
        rows = np.atleast_1d(_rows(which, len(self)))
        spans = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in rows]
        flat = np.concatenate([*spans, np.zeros(0, int)])
        labels = {x.name: getattr(self, x.name)[flat if x.per_atom else rows] for x in LABELS}
        atoms, info = [self.atoms[i] for i in rows], [self.info[i] for i in rows]
        return Dataset(atoms, **labels, info=info, name=self.name)

    def __iter__(self) -> Iterator[Dataset]:
        return (self[i] for i in range(len(self)))

    def __add__(self, other: Dataset) -> Dataset:
        labels = {x.name: np.concatenate([getattr(self, x.name), getattr(other, x.name)]) for x in LABELS}
        name = self.name if self.name == other.name else f"{self.name} + {other.name}"
        return Dataset(self.atoms + other.atoms, **labels, info=self.info + other.info, name=name)

    def labels(self, i: int) -> dict[str, np.ndarray]:
        """The labels that frame `i` has, by name."""
        span = slice(self.offsets[i], self.offsets[i + 1])
        found = {x.name: getattr(self, x.name)[span if x.per_atom else i] for x in LABELS}
        return {name: x for name, x in found.items() if not np.isnan(x).any()}

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

    def report(self, progress: Progress = NO_PROGRESS) -> Report:
        """Examine the frames: contents, duplicates, outliers, distances, units, and whether labels fit their frames.

        Forces and energies are held against the geometry by a linear model, cross-validated at every shift of frames
        from -100 to 100. `print(ds.report())` reads well; `report.problems` is what to mend.

        Raises LabkitError for an empty set.

        >>> from labkit.datasets import ice
        >>> ds = ice("train", n=50)
        >>> ds.report().problems
        ()
        """
        from labkit.datasets.report import examine  # here, or the two would import each other

        return examine(self, progress)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write extended XYZ with all digits, compressed if `path` ends in .xz, .gz or .bz2; whole or not at all."""
        write_frames(path, ((a, self.labels(i), self.info[i]) for i, a in enumerate(self.atoms)))


def _rows(which: Any, n: int) -> Any:
    try:
        if isinstance(which, slice):
            return np.arange(n)[which]
        array = np.asarray(which)
        return np.arange(n)[array if array.size or array.dtype == bool else array.astype(int)]
    except IndexError as error:
        raise IndexError(f"{which!r} does not select from {n} frames: {error}") from None
