"""What the Overfitting panel shows, without drawing it: a design, a scan of one bond, and a fit for any sigma."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from ase.data import chemical_symbols

from labkit.base import Progress
from labkit.datasets import Dataset
from labkit.datasets.stretch import bonds, stretch
from labkit.errors import LabkitError, Stopped
from labkit.gap import Design, GapConfig, GapModel
from labkit.gap.cache import grow_cached
from labkit.gap.metrics import table
from labkit.gap.profile import Profile

POINTS = 61  # of the curve of a scan


@dataclass(frozen=True, eq=False)
class Scan:
    """A bond of one structure, stretched: curve `lengths` (POINTS,) Å of `frames`, and labels where there are any.

    label            such as "O-H"
    known, energies  lengths [Å] and energies [eV] from the reference method, both empty where it was not asked
    """

    label: str
    species: tuple[int, int]
    lengths: np.ndarray
    frames: list
    known: np.ndarray
    energies: np.ndarray

    @classmethod
    def of(cls, labelled: Dataset) -> Scan:
        """From labelled frames in which one bond is stretched (`length` in their info), as data/ice/stretch."""
        lengths = np.array([info.get("length", np.nan) for info in labelled.info], dtype=float)
        if len(labelled) < 2 or not np.isfinite(lengths).all():
            raise LabkitError(f"{labelled.name}: expected two or more frames of one stretched bond with length=...")
        first, last = labelled.atoms[int(lengths.argmin())], labelled.atoms[int(lengths.argmax())]
        moved = int(np.linalg.norm(last.positions - first.positions, axis=1).argmax())
        distances = first.get_distances(moved, range(len(first)), mic=bool(first.pbc.any()))
        return cls._along(first, (int(np.abs(distances - lengths.min()).argmin()), moved), lengths, labelled.energy)

    @classmethod
    def from_frames(cls, train: Dataset) -> Scan:
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
    def _along(cls, atoms, bond: tuple[int, int], known: np.ndarray, energies: np.ndarray) -> Scan:
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


@dataclass(frozen=True, eq=False)
class Point:
    """One fit: the model, both errors, predictions, and the scan's energies and standard deviations [eV]."""

    model: GapModel
    errors: pd.DataFrame
    predictions: dict[str, dict[str, np.ndarray]]
    energy: np.ndarray
    spread: np.ndarray
    seconds: float


class Scene:
    """A design, whole or growing, and the scan; `point` fits and predicts in some ten milliseconds."""

    def __init__(self, design: Design, scan: Scan, begun: float) -> None:
        self.design, self.scan = design, scan
        self.n_frames, self.notes = design.n_frames, list(design.notes)
        self.profile = Profile(design.solve(), scan.frames)
        self.seen = scan.seen(design.train[: self.n_frames])
        self.seconds = time.monotonic() - begun

    def point(self, **sigmas: float) -> Point:
        """Fit with these sigmas; those that the design has no rows for are left out."""
        start = time.monotonic()
        used = {name: value for name, value in sigmas.items() if getattr(self.design.config, name) is not None}
        model = self.design.solve(**used)
        seconds = time.monotonic() - start
        sets = ("train",) if self.design.valid is None else ("train", "valid")
        predictions = {name: self.design.predictions(model, name) for name in sets}
        energy, spread = self.profile.predict(model)
        return Point(model, table(predictions), predictions, energy.numpy(), spread.numpy(), seconds)


def scenes(
    train: Dataset, config: GapConfig, valid: Dataset | None, scan: Scan, *, progress: Progress
) -> Iterator[Scene]:
    """Yield a Scene now and then while the frames come in, and of all of them; from the cache if they were before."""
    begun, shown = time.monotonic(), 0
    try:
        for design in grow_cached(train, config, valid, progress=progress):
            if time.monotonic() - begun > 1.0 and 2 * shown < design.n_frames < len(train):
                shown = design.n_frames
                yield Scene(design, scan, begun)
        yield Scene(design, scan, begun)
    except Stopped as stop:
        raise Stopped(None if stop.partial is None else Scene(stop.partial, scan, begun)) from stop
