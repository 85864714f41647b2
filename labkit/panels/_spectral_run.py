"""Replicas at constant energy, with all that spectra need recorded on the way; a run that goes on adds to it."""

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
from labkit.spectra import Intensities, Response, normal_modes

Model = TensorModel | TensorCommittee
DEUTERIUM = 2.014  # u
FRICTION = 0.02  # 1/fs, of the thermostat that prepares the replicas
FRAMES = 500  # kept of a run, about


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run is made of, as it was when it began.

    starts         a structure for each replica
    every          steps of `dt` fs between samples
    equilibration  steps under a thermostat before
    keep           samples between two frames of the trajectory
    minimum        a structure near the minimum of which the harmonic modes are shown, or None
    """

    potential: Potential
    polarizability: Model
    born_charges: Model
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


class Frames(Observer):
    """Observer: some states on the way, and the potential energies (S,) eV of each."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.states: list[State] = []
        self.energies: list[torch.Tensor] = []

    def __call__(self, state: State, known: Evaluation) -> None:
        self.states.append(state.replace(aux={}, atom_aux={}))
        self.energies.append(known.energy.detach().cpu())


@dataclass(frozen=True, eq=False)
class Grown:
    """How far the replicas are: `response` and `frames` grow with them.

    modes   harmonic intensities of the minimum, and its energy [eV] as `lowest`, where there is one
    """

    plan: Plan
    state: State
    response: Response
    frames: Frames
    modes: Intensities | None = None
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


def grow(begun: Grown | Plan, steps: int, *, progress: Progress) -> Grown:
    """Begin, or go on from where a run has ended, by `steps` steps; a Grown is reported after some of them.

    Raises LabkitError when something explodes: what was good until then is in the Grown reported last.
    """
    before = begun.equilibration if isinstance(begun, Plan) else 0
    total = before + steps
    grown = _begin(begun, progress.part(0, total, before)) if isinstance(begun, Plan) else begun
    part = progress.part(before, total, steps, result=lambda: replace(grown))  # a new one, so that it is shown
    try:
        state = simulate(
            grown.state, grown.plan.potential, VelocityVerlet(), steps, grown.plan.dt,
            observers=[grown.response, grown.frames], progress=part,
        )  # fmt: skip
    except Stopped as stop:
        state = stop.partial
    return replace(grown, state=state)


def _begin(plan: Plan, progress: Progress) -> Grown:
    """Harmonic modes, and replicas that a thermostat has mixed; their step is 0 again."""
    modes, lowest = _harmonic(plan, progress.part(0, 2)) if plan.minimum is not None else (None, None)
    state = maxwell_boltzmann(State.from_atoms(list(plan.starts), seed=plan.seed), plan.temperature)
    bath = Langevin(plan.temperature, FRICTION)
    state = simulate(state, plan.potential, bath, plan.equilibration, plan.dt, progress=progress.part(1, 2))
    state = without_com_motion(state).replace(step=0)  # the thermostat has pushed it
    return Grown(plan, state, plan.response(), Frames(plan.every * plan.keep), modes, lowest)


def _harmonic(plan: Plan, progress: Progress) -> tuple[Intensities, float]:
    still = lbfgs(State.from_atoms(plan.minimum), plan.potential, fmax=1e-3, progress=progress)
    found = normal_modes(still, plan.potential)
    models = {"polarizability": plan.polarizability, "born_charges": plan.born_charges}
    return found.intensities(**models), float(plan.potential.evaluate(still).energy[0])
