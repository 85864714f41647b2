"""A bond of one structure, stretched: the frames, and reference energies if there are any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols

from labkit.datasets import Dataset
from labkit.datasets.stretch import bonds, stretch
from labkit.errors import LabkitError

POINTS = 61  # of the curve of a scan


@dataclass(frozen=True, eq=False)
class BondScan:
    """A bond of one structure, stretched: curve `lengths` (POINTS,) Å of `frames`, and labels if there are any.

    label            such as "O-H"
    known, energies  lengths [Å] and energies [eV] from the reference method; both empty without it
    """

    label: str
    species: tuple[int, int]
    lengths: np.ndarray
    frames: list
    known: np.ndarray
    energies: np.ndarray

    @classmethod
    def of(cls, labelled: Dataset) -> BondScan:
        """From labelled frames in which one bond is stretched (`length` in their info), as data/ice/stretch."""
        lengths = np.array([info.get("length", np.nan) for info in labelled.info], dtype=float)
        if len(labelled) < 2 or not np.isfinite(lengths).all():
            raise LabkitError(f"{labelled.name}: expected two or more frames of one stretched bond with length=...")
        first, last = labelled.atoms[int(lengths.argmin())], labelled.atoms[int(lengths.argmax())]
        moved = int(np.linalg.norm(last.positions - first.positions, axis=1).argmax())
        distances = first.get_distances(moved, range(len(first)), mic=bool(first.pbc.any()))
        return cls._along(first, (int(np.abs(distances - lengths.min()).argmin()), moved), lengths, labelled.energy)

    @classmethod
    def from_frames(cls, train: Dataset) -> BondScan:
        """The shortest bond of the frame of lowest energy per atom, from 80 to 130 % of its length; no labels."""
        energies = np.where(np.isfinite(train.energy), train.energy / train.counts, np.inf)
        atoms = train.atoms[int(energies.argmin())]
        if len(atoms) < 2:
            raise LabkitError(f"{train.name}: a scan needs a frame with a bond, but the lowest has one atom")
        distances = atoms.get_all_distances(mic=bool(atoms.pbc.any())) + np.diag(np.full(len(atoms), np.inf))
        pair = sorted(np.unravel_index(distances.argmin(), distances.shape), key=lambda k: -atoms.numbers[k])
        length = distances.min()
        return cls._along(atoms, (int(pair[0]), int(pair[1])), length * np.array([0.8, 1.3]), np.full(2, np.nan))

    @classmethod
    def _along(cls, atoms, bond: tuple[int, int], known: np.ndarray, energies: np.ndarray) -> BondScan:
        species = tuple(int(z) for z in atoms.numbers[list(bond)])
        lengths = np.linspace(known.min(), known.max(), POINTS)
        there = np.isfinite(energies)
        label = "-".join(chemical_symbols[z] for z in species)
        return cls(label, species, lengths, stretch(atoms, bond, lengths), known[there], energies[there])

    def seen(self, train: Dataset) -> np.ndarray:
        """Lengths [Å] of all such bonds in the training frames."""
        found = []
        for atoms in train.atoms:
            pairs = bonds(atoms, self.species)
            found += [atoms.get_distance(i, j, mic=bool(atoms.pbc.any())) for i, j in pairs]
        return np.array(found)
