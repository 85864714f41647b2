"""The structures: Langevin dynamics by GFN2-xTB, one file per trajectory, and the scans of two bonds."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from ase import Atoms

from labkit.base.progress import NO_PROGRESS, Progress
from labkit.datasets.extxyz import chunks, parse
from labkit.datasets.writing import write_frames
from labkit.errors import LabkitError
from labkit.files import atomic_write
from tools.ethanol.molecule import LONGEST, SIDES, calculator, minima, require_whole, stretched, turned
from tools.ethanol.sets import ATOMS, ORDER, RATIOS, SEED, SETS, Stratum, trajectories
from tools.ice.dynamics import Dynamics
from tools.ice.pack import nested_order

# 1 fs is long for a dynamics, but the averages over positions of Langevin's are exact for harmonic bonds (BAOAB), and
# the frames are labelled where they are.
TIMESTEP, FRICTION, EQUILIBRATION = 1.0, 0.01, 1000.0  # fs, 1/fs, fs
DIGITS = 6  # of positions in Å, so that the files hold exactly what was labelled


def make_frames(folder: str | os.PathLike[str], name: str, progress: Progress = NO_PROGRESS) -> None:
    """Run the trajectories of a set that are not yet in `folder`/frames; a killed run loses the one being computed.

    Raises LabkitError if the folder was begun with other settings, and if a molecule falls apart.
    """
    folder = Path(folder) / "frames"
    folder.mkdir(parents=True, exist_ok=True)
    settled, recipe = folder / "recipe.txt", _recipe()
    if settled.exists() and settled.read_text() != recipe:
        raise LabkitError(f"{settled}: this folder was begun with other settings; choose another folder")
    atomic_write(settled, recipe)
    plan = trajectories(name)
    for done, (number, place, stratum) in enumerate(plan):
        path = _path(folder, number)
        if not path.exists():
            made = _trajectory(number, place, stratum, progress.part(done, len(plan)))
            write_frames(path, ((atoms, {}, atoms.info) for atoms in made))


def set_frames(folder: str | os.PathLike[str], name: str) -> list[Atoms]:
    """The frames of a set, in the order in which they are labelled: each prefix is spread over all trajectories.

    Raises LabkitError if a trajectory has not been run.
    """
    if name == "isolated_atoms":
        return [Atoms(symbol, [[0, 0, 0]], info={"multiplicity": spin}) for symbol, spin in ATOMS.items()]
    if name == "stretched":
        scan = [(bond, ratio) for bond in SIDES for ratio in np.linspace(*RATIOS)]
        return [_rounded(stretched(minima()[0], bond, ratio)) for bond, ratio in scan]
    found = {}
    for number, _, _ in trajectories(name):
        path = _path(Path(folder) / "frames", number)
        if not path.exists():
            raise LabkitError(
                f"{path}: trajectory {number} of the set {name!r} has not been run; make the frames first"
            )
        found |= {(number, k): parse(chunk) for k, chunk in enumerate(chunks(path))}
    keys = list(found)
    if len(SETS[name]) == 1:
        return [found[key] for key in nested_order(keys)]
    return [found[keys[i]] for i in np.random.default_rng(SEED).permutation(len(keys))]  # keeps the mixture


def available(folder: str | os.PathLike[str]) -> list[str]:
    """The sets whose frames have been made, in the order of labelling."""
    folder = Path(folder) / "frames"
    return [
        name
        for name in ORDER
        if name not in SETS or all(_path(folder, number).exists() for number, _, _ in trajectories(name))
    ]


def _recipe() -> str:
    """All that the trajectories depend on."""
    rows = [f"{number} {place} {one}" for name in SETS for number, place, one in trajectories(name)]
    return "\n".join([*rows, f"{RATIOS} {SEED} {TIMESTEP} {FRICTION} {EQUILIBRATION} {DIGITS}", ""])


def _path(folder: Path, number: int) -> Path:
    return folder / f"trajectory-{number:03d}.xyz"


def _trajectory(number: int, place: int, stratum: Stratum, progress: Progress) -> list[Atoms]:
    temperature = stratum.temperatures[place % len(stratum.temperatures)]
    dynamics = Dynamics(temperature, TIMESTEP, FRICTION, EQUILIBRATION, stratum.spacing, stratum.samples)
    start = minima()[number % len(minima())]
    rng = np.random.default_rng([SEED, number])
    made = []
    for sample in dynamics.run(start, calculator(), number, SEED, progress):
        sample.info |= {"kind": stratum.kind, "temperature": temperature}
        if stratum.kind == "stretched":
            sample = stretched(sample, list(SIDES)[rng.integers(len(SIDES))], rng.uniform(RATIOS[0], LONGEST))
        elif stratum.kind == "torsion":
            sample = turned(sample, *rng.uniform(0, 360, 2))
        try:
            require_whole(sample)
        except LabkitError as error:
            raise LabkitError(f"trajectory {number}, sample {sample.info['sample']}: {error}") from error
        made.append(_rounded(sample))
    return made


def _rounded(atoms: Atoms) -> Atoms:
    atoms.positions = np.round(atoms.positions, DIGITS) + 0.0
    return atoms
