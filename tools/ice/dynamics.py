"""Frames from Langevin dynamics on a fitted potential, under a guard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase import units as ase_units
from ase.calculators.calculator import Calculator
from ase.constraints import FixCom
from ase.md.langevin import Langevin

from labkit.base.progress import NO_PROGRESS, Progress
from labkit.errors import LabkitError, Stopped
from labkit.units import KB
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
        atoms = start.copy()
        atoms.calc = calculator
        random = np.random.default_rng([seed, trajectory])
        spread = np.sqrt(atoms.get_masses() * KB * self.temperature)
        atoms.set_constraint(FixCom())  # also takes the momentum of the centre of mass out of what follows
        atoms.set_momenta(random.standard_normal((len(atoms), 3)) * spread[:, None])
        motion = Langevin(
            atoms,
            self.timestep * ase_units.fs,
            temperature_K=self.temperature,
            friction=self.friction / ase_units.fs,
            fixcm=False,
            rng=random,
        )
        first, every = round(self.equilibration / self.timestep), round(self.spacing / self.timestep)
        total, frames = first + (self.samples - 1) * every, []
        for step in range(total + 1):
            if step:
                motion.step()
            due = step >= first and (step - first) % every == 0
            if due or step % self.check_every == 0:
                self._watch(atoms, step, trajectory, frames, progress)
                progress.update(step, total, trajectory=trajectory, samples=len(frames))
            if due:
                frames.append(_still(atoms, trajectory, len(frames)))
        return frames

    def _watch(self, atoms: Atoms, step: int, trajectory: int, frames: list[Atoms], progress: Progress) -> None:
        if progress.should_stop():
            raise Stopped(f"trajectory {trajectory} was stopped at step {step}", partial=frames)
        broken = self.guard.broken(atoms) if self.guard else None
        if broken:
            raise GuardError(
                f"trajectory {trajectory}, step {step} ({step * self.timestep:g} fs): {broken}; the potential is not "
                f"to be trusted there. Label frames near it and fit again; {len(frames)} samples were taken before",
                step,
                frames,
            )


def _still(atoms: Atoms, trajectory: int, sample: int) -> Atoms:
    frame = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    frame.info = {"trajectory": trajectory, "sample": sample}
    return frame
