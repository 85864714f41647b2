"""Replicas at constant energy that record what spectra need; a run can be extended later."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from ase import Atoms

from labkit.base import Evaluation, Observer, Potential, Progress, State
from labkit.engine import (
    Langevin,
    Run,
    VelocityVerlet,
    lbfgs,
    maxwell_boltzmann,
    simulate,
    without_com_motion,
)
from labkit.engine.observers import ExtXyz
from labkit.errors import Stopped
from labkit.polarizability import TensorCommittee, TensorModel
from labkit.spectra import Intensities, NormalModes, Response, normal_modes

Tensors = TensorModel | TensorCommittee
DEUTERIUM = 2.014  # u
FRICTION = 0.02  # 1/fs, of the thermostat that prepares the replicas
FRAMES = 500  # kept of a run, about


@dataclass(frozen=True, eq=False)
class SpectraPlan:
    """The settings of a run of replicas.

    polarizability, born_charges  models, or None where there is none: no Raman, or no infrared, spectrum then
    starts         a structure for each replica
    every          steps of `dt` fs between samples
    equilibration  steps under a thermostat before
    keep           samples between two frames of the trajectory
    minimum        a structure near the minimum whose harmonic modes are computed, or None
    """

    potential: Potential
    polarizability: Tensors | None
    born_charges: Tensors | None
    starts: Sequence[Atoms]
    minimum: Atoms | None
    temperature: float
    dt: float
    every: int
    equilibration: int
    seed: int
    keep: int = 1

    def response(self) -> Response:
        return Response(
            polarizability=self.polarizability, born_charges=self.born_charges, velocities=True, every=self.every
        )


class Snapshots(Observer):
    """Observer: states along the run, and the potential energies (S,) eV of each."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.states: list[State] = []
        self.energies: list[torch.Tensor] = []

    def __call__(self, state: State, known: Evaluation) -> None:
        self.states.append(state.replace(aux={}, atom_aux={}))
        self.energies.append(known.energy.detach().cpu())


@dataclass(frozen=True, eq=False)
class SpectraRun:
    """The state of a run: `response` and `frames` grow with it.

    modes   harmonic intensities of the minimum, its `motions`, and its energy [eV] as `lowest`, if there is one
    """

    plan: SpectraPlan
    state: State
    response: Response
    frames: Snapshots
    modes: Intensities | None = None
    motions: NormalModes | None = None
    lowest: float | None = None

    @property
    def picoseconds(self) -> float:
        """How long each replica was followed."""
        steps = self.response.steps
        return float(steps[-1]) * self.plan.dt * 1e-3 if len(steps) else 0.0

    @property
    def fallen(self) -> tuple[int, float] | None:
        """Replica and time [ps] of the first potential energy below the minimum's: a hole of the potential."""
        energies = list(self.frames.energies)
        if self.lowest is None or not energies:
            return None
        below = np.argwhere(torch.stack(energies).numpy() < self.lowest - 1e-3)
        if not len(below):
            return None
        sample, replica = below[0]
        return int(replica), float(self.frames.states[sample].loop_step * self.plan.dt * 1e-3)

    def write_frames(self, path: str | os.PathLike[str]) -> None:
        """Write the frames of all replicas as extended XYZ."""
        writer = ExtXyz(path, every=1)
        for state, energy in list(zip(self.frames.states, self.frames.energies)):
            if writer.run is None:
                writer.start(Run(state, None, None, self.plan.dt))
            writer(state, Evaluation(energy=energy, forces=state.forces))


def extend_run(start: SpectraRun | SpectraPlan, steps: int, *, progress: Progress) -> SpectraRun:
    """Start a run from its plan, or extend one, by `steps` steps; partial SpectraRuns are reported on the way.

    Raises LabkitError when a replica explodes; the last SpectraRun reported holds what was valid until then.
    """
    before = start.equilibration if isinstance(start, SpectraPlan) else 0
    total = before + steps
    run = _prepare(start, progress.part(0, total, before)) if isinstance(start, SpectraPlan) else start
    part = progress.part(before, total, steps, result=lambda: replace(run))  # a new object, so that it is displayed
    try:
        state = simulate(
            run.state, run.plan.potential, VelocityVerlet(), steps, run.plan.dt,
            observers=[run.response, run.frames], progress=part,
        )  # fmt: skip
    except Stopped as stop:
        state = stop.partial
    return replace(run, state=state)


def _prepare(plan: SpectraPlan, progress: Progress) -> SpectraRun:
    """Harmonic modes, and replicas equilibrated by a thermostat, with their step set to 0."""
    found = _harmonic(plan, progress.part(0, 2)) if plan.minimum is not None else (None, None, None)
    state = maxwell_boltzmann(State.from_atoms(list(plan.starts), seed=plan.seed), plan.temperature)
    bath = Langevin(plan.temperature, FRICTION)
    state = simulate(state, plan.potential, bath, plan.equilibration, plan.dt, progress=progress.part(1, 2))
    state = without_com_motion(state).replace(step=0)  # a Langevin thermostat moves the centre of mass
    return SpectraRun(plan, state, plan.response(), Snapshots(plan.every * plan.keep), *found)


def _harmonic(plan: SpectraPlan, progress: Progress) -> tuple[Intensities, NormalModes, float]:
    still = lbfgs(State.from_atoms(plan.minimum), plan.potential, fmax=1e-3, progress=progress)
    found = normal_modes(still, plan.potential)
    models = {"polarizability": plan.polarizability, "born_charges": plan.born_charges}
    return found.intensities(**models), found, float(plan.potential.evaluate(still).energy[0])
