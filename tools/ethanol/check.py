"""Forces against finite differences of the energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from labkit.base.progress import NO_PROGRESS, Progress
from labkit.errors import Stopped
from labkit.oracles import Oracle
from labkit.units import MEV

STEP = 0.01  # Å
TOLERANCE = 1.0  # meV/Å
WEIGHTS = {-2: 1, -1: -8, 1: 8, 2: -1}  # of a derivative by four points, right to STEP^4


@dataclass(frozen=True)
class ForceError:
    """Force and -dE/dx of one component [eV/Å], and their difference [meV/Å]."""

    frame: int
    atom: int
    axis: int
    force: float
    derivative: float

    @property
    def error(self) -> float:
        return abs(self.force - self.derivative) / MEV


def force_errors(
    frames: Sequence[Atoms], oracle: Oracle, components: int, seed: int = 0, progress: Progress = NO_PROGRESS
) -> list[ForceError]:
    """Compare some components of the forces on each frame, chosen at random, with finite differences.

    Nothing is taken from a store. Raises Stopped when `progress` asks to stop.
    """
    rng, found, done, total = np.random.default_rng(seed), [], 0, len(frames) * components
    for k, atoms in enumerate(frames):
        forces = oracle.compute(atoms, progress.should_stop).forces
        for flat in rng.choice(forces.size, components, replace=False):
            atom, axis = divmod(int(flat), 3)
            slope = sum(
                weight * _energy(atoms, oracle, atom, axis, n * STEP, progress) for n, weight in WEIGHTS.items()
            )
            found.append(ForceError(k, atom, axis, float(forces[atom, axis]), -slope / (12 * STEP)))
            done += 1
            progress.update(done, total)
    return found


def _energy(atoms: Atoms, oracle: Oracle, atom: int, axis: int, shift: float, progress: Progress) -> float:
    if progress.should_stop():
        raise Stopped("the check was stopped")
    moved = atoms.copy()
    moved.positions[atom, axis] += shift
    return oracle.compute(moved, progress.should_stop).energy
