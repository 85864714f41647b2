"""Dyn_ML1: learned maps of positions and velocities before and after the forces."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from labkit.base import Integrator, Potential, State
from labkit.engine.motion import evaluated
from labkit.lammps.mlmod.blocks import Blocks, alike
from labkit.lammps.mlmod.models import ExportedModel


@dataclass(frozen=True, eq=False)
class LearnedMap(Integrator):
    """[X; V] <- dyn1(blocks), new forces, [X; V] <- dyn2(blocks); a model that mask_fix leaves out does nothing.

    Both receive the time at which the step ends, as in MLMOD.
    """

    before: ExportedModel | None
    after: ExportedModel | None
    blocks: Blocks

    def init(self, state: State, potential: Potential) -> State:
        return evaluated(state, potential)

    def step(self, state: State, potential: Potential, dt: float) -> State:
        time = (state.step + 1) * dt
        moved = self._moved(self.before, state, time).replace(step=state.step + 1)
        return self._moved(self.after, evaluated(moved, potential), time)

    def _moved(self, model: ExportedModel | None, state: State, time: Tensor) -> State:
        if model is None:
            return state
        positions, velocities, units = state.positions.clone(), state.velocities.clone(), self.blocks.units
        for atoms in alike(state):
            n = atoms.shape[1]
            found = model(self.blocks.rows(state, atoms, time), 6 * n).reshape(-1, 2, n, 3)
            positions[atoms] = (found[:, 0] * units.length).to(positions)
            velocities[atoms] = (found[:, 1] * units.velocity).to(velocities)
        return state.replace(positions=positions, velocities=velocities)
