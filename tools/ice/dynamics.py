"""Frames from Langevin dynamics on a fitted potential, under a guard."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from labkit.base import AsePotential, Evaluation, Observer, State
from labkit.base.progress import NO_PROGRESS, Progress
from labkit.engine import Langevin, maxwell_boltzmann, simulate
from labkit.errors import LabkitError, Stopped
from tools.ice.guard import Guard, GuardError


@dataclass(frozen=True)
class Dynamics:
    """Langevin dynamics that yields `samples` frames, `spacing` apart, after `equilibration`.

    temperature K; timestep, equilibration, spacing fs; friction 1/fs. The defaults made the shipped ice.
    """

    temperature: float = 300.0
    timestep: float = 0.5
    friction: float = 0.02
    equilibration: float = 300.0
    spacing: float = 50.0
    samples: int = 25
    guard: Guard | None = None
    check_every: int = 10

    def run(
        self,
        start: Atoms,
        calculator: Calculator,
        trajectory: int = 0,
        seed: int = 0,
        progress: Progress = NO_PROGRESS,
    ) -> list[Atoms]:
        """Return the samples of one trajectory, numbered in their info; its noise is a function of (seed, trajectory).

        Raises GuardError, naming step and pair, when a rule breaks, and Stopped(partial=samples) when asked to stop.
        """
        if min(self.timestep, self.temperature, self.spacing, self.friction) <= 0 or self.samples < 1:
            raise LabkitError(f"{self}: timestep, temperature, spacing, friction and samples must be above 0")
        first, every = round(self.equilibration / self.timestep), round(self.spacing / self.timestep)
        run = _Run(self, trajectory, first + (self.samples - 1) * every, progress)
        chosen = int(np.random.SeedSequence([seed, trajectory]).generate_state(1, np.uint64)[0] >> 1)
        state = maxwell_boltzmann(State.from_atoms(_bare(start), seed=chosen), self.temperature)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the warning that ASE calculators are slow
            potential = AsePotential(calculator)
        langevin, centre = Langevin(self.temperature, self.friction), start.get_center_of_mass()
        for sample in range(self.samples):
            state = simulate(state, potential, langevin, every if sample else first, self.timestep, observers=[run])
            run(state)
            run.frames.append(_at_rest(state, centre, {"trajectory": trajectory, "sample": sample}))
        return run.frames


class _Run(Observer):
    """Progress, Stop and the guard of one trajectory, every few steps; `frames` are its samples so far."""

    def __init__(self, dynamics: Dynamics, trajectory: int, total: int, progress: Progress) -> None:
        self.every, self.dynamics, self.trajectory = dynamics.check_every, dynamics, trajectory
        self.total, self.progress, self.frames = total, progress, []

    def __call__(self, state: State, evaluation: Evaluation | None = None) -> None:
        step, timestep, guard = state.loop_step, self.dynamics.timestep, self.dynamics.guard
        if self.progress.should_stop():
            raise Stopped(f"trajectory {self.trajectory} was stopped at step {step}", partial=self.frames)
        broken = guard.broken(state.to_atoms()[0]) if guard else None
        if broken:
            raise GuardError(
                f"trajectory {self.trajectory}, step {step} ({step * timestep:g} fs): {broken}; do not trust "
                "the potential there. Label frames near it and fit again; "
                f"{len(self.frames)} samples were taken before",
                step,
                self.frames,
            )
        self.progress.update(step, self.total, trajectory=self.trajectory, samples=len(self.frames))


def _bare(atoms: Atoms) -> Atoms:
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, masses=atoms.get_masses())


def _at_rest(state: State, centre: np.ndarray, info: dict[str, int]) -> Atoms:
    """The frame with its centre of mass restored: friction and noise move it, and nothing else depends on it."""
    moved = state.to_atoms()[0]
    shift = centre - moved.get_center_of_mass()
    frame = Atoms(moved.numbers, moved.positions + shift, cell=moved.cell, pbc=moved.pbc)
    frame.info = info
    return frame
