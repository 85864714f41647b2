"""Recipes for the frames of ice: sample structures, store them, label them, write one file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from labkit.base import AsePotential, State
from labkit.base.progress import NO_PROGRESS, Progress
from labkit.datasets.dataset import Dataset
from labkit.datasets.extxyz import chunks, parse
from labkit.datasets.ice import ice
from labkit.datasets.streams import existing
from labkit.datasets.stretch import bonds, stretch
from labkit.datasets.writing import write_frames
from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.oracles import LabelStore, MissingProgram, Oracle
from labkit.spectra import normal_modes
from tools.ice.dynamics import Dynamics
from tools.ice.guard import Guard
from tools.ice.harmonic_samples import harmonic_samples
from tools.ice.labelling import label_frames

LOWEST = 124.76  # cm^-1: frequency of the two softest modes in the shipped normal-mode frames
LENGTHS = np.arange(0.80, 1.3001, 0.025)  # Å, of an O-H bond: beyond the range at 300 K at both ends
RECIPES = ("normal_modes", "dynamics", "minimum", "stretch")


@dataclass(frozen=True)
class Recipe:
    """What to sample: `what` of RECIPES, `frames` (per trajectory), temperature [K], seed, the potential's file."""

    what: str = "normal_modes"
    frames: int = 25
    trajectories: int = 1
    temperature: float = 300.0
    seed: int = 0
    potential: Path | None = None

    def __post_init__(self) -> None:
        if self.what not in RECIPES:
            raise LabkitError(f"no recipe {self.what!r}; expected one of {', '.join(RECIPES)}")
        if self.frames < 1 or self.trajectories < 1:
            raise LabkitError(f"{self.frames} frames of {self.trajectories} trajectories: expected at least one")
        if self.what == "dynamics" and self.potential is None:
            raise LabkitError(
                "dynamics needs a fitted potential: make normal modes first, fit a GAP with soap and distance_2b to "
                "them (gap_fit), and give its file, as in --potential gap.xml"
            )


def generate(
    recipe: Recipe,
    oracle: Oracle,
    folder: str | os.PathLike[str],
    workers: int = 1,
    progress: Progress = NO_PROGRESS,
    store: LabelStore | None = None,
) -> Dataset:
    """Make frames in `folder` and return them; existing files are used, so a second call resumes.

    structures*.xyz  the samples      labels/  one file per labelled frame      frames.xyz.xz  all of them
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frames = structures(recipe, folder, progress)
    labelled = label_frames(frames, oracle, folder / "labels", workers, progress, store)
    labelled.write(folder / "frames.xyz.xz")
    return labelled


def structures(recipe: Recipe, folder: Path, progress: Progress = NO_PROGRESS) -> list[Atoms]:
    """Sample the structures of `recipe`, or read those already in `folder`."""
    settled = folder / "recipe.txt"
    if settled.exists() and settled.read_text() != f"{recipe}\n":
        found = settled.read_text().strip()
        raise LabkitError(f"{settled}: this folder was started with {found}, not {recipe}; choose another folder")
    atomic_write(settled, f"{recipe}\n")
    start = ice("minimum").atoms[0]
    if recipe.what == "minimum":
        return [start]
    if recipe.what == "stretch":
        return stretch(start, tuple(bonds(start, (8, 1))[0]), LENGTHS)
    if recipe.what == "normal_modes":
        return _kept(folder / "structures.xyz", lambda: _normal_modes(recipe, start, progress))
    frames = []
    for t in range(recipe.trajectories):
        frames += _kept(folder / f"structures-{t:03d}.xyz", lambda t=t: _dynamics(recipe, start, t, progress))
    return frames


def _kept(path: Path, make: Callable[[], list[Atoms]]) -> list[Atoms]:
    if not path.exists():
        write_frames(path, ((atoms, {}, atoms.info) for atoms in make()))
    return [parse(chunk) for chunk in chunks(path)]


def _normal_modes(recipe: Recipe, start: Atoms, progress: Progress) -> list[Atoms]:
    try:
        from tblite.ase import TBLite
    except ImportError as error:
        raise MissingProgram("normal modes need tblite: python -m pip install tblite") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the warning that ASE calculators are slow
        potential = AsePotential(TBLite(method="GFN1-xTB", accuracy=0.01, verbosity=0))
    # the minimum is PBE's: forces of another method do not vanish there
    modes = normal_modes(State.from_atoms(start), potential, step=0.01, fmax=np.inf, progress=progress)
    return harmonic_samples(modes, recipe.temperature, recipe.frames, recipe.seed, LOWEST)


def _dynamics(recipe: Recipe, start: Atoms, trajectory: int, progress: Progress) -> list[Atoms]:
    try:
        from quippy.potential import Potential
    except ImportError as error:
        raise MissingProgram("a GAP file needs quippy: python -m pip install quippy-ase") from error
    path = existing(recipe.potential)
    try:
        calculator = Potential(param_filename=str(path))
    except RuntimeError as error:
        raise LabkitError(f"{path}: quippy could not read it as a potential ({error})") from error
    dynamics = Dynamics(recipe.temperature, samples=recipe.frames, guard=Guard.water())
    return dynamics.run(start, calculator, trajectory, recipe.seed, progress)
