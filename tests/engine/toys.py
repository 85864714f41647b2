"""A Lennard-Jones fluid, ideal particles, and the least integrators that tests of the loop need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk

from labkit.base import Integrator, Potential, State
from labkit.engine.noise import THERMOSTAT, normal
from labkit.units import FORCE_TO_ACCELERATION, KB


class LennardJones(Potential):
    """4 ε ((σ/r)^12 - (σ/r)^6), cut at 6 Å, argon's ε and σ."""

    cutoff = 6.0

    def energy(self, system, positions, cell, neighbours):
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        ratio = 3.4**6 / vectors.square().sum(1) ** 3
        pair = 2.0 * 0.0104 * (ratio**2 - ratio)  # half of 4 ε: each pair stands twice
        return pair.new_zeros(system.n_systems).index_add(0, near.index, pair)


class Ideal(Potential):
    """No forces."""

    cutoff = 0.5

    def energy(self, system, positions, cell, neighbours):
        return positions.sum() * 0.0 + positions.new_zeros(system.n_systems)


class Nothing(Ideal):
    """No forces, and no search for neighbours either."""

    def evaluate(self, state, *, forces=True, **wanted):
        from labkit.base import Evaluation

        return Evaluation(state.positions.new_zeros(state.system.n_systems), torch.zeros_like(state.positions))


@dataclass(frozen=True)
class Verlet(Integrator):
    """Velocity Verlet."""

    def init(self, state, potential):
        known = potential.evaluate(state)
        return state.replace(forces=known.forces, energy=known.energy)

    def step(self, state, potential, dt):
        rate = FORCE_TO_ACCELERATION / state.system.masses[:, None]
        half = state.velocities + 0.5 * dt * rate * state.forces
        moved = state.replace(positions=state.positions + dt * half)
        known = potential.evaluate(moved)
        return moved.replace(
            velocities=half + 0.5 * dt * rate * known.forces,
            forces=known.forces,
            energy=known.energy,
            step=state.step + 1,
        )


@dataclass(frozen=True)
class Thermal(Verlet):
    """Velocity Verlet, then velocities mixed with noise."""

    temperature: float = 90.0
    friction: float = 0.01

    def step(self, state, potential, dt):
        state = super().step(state, potential, dt)
        noise = normal(state, THERMOSTAT)
        keep = float(np.exp(-self.friction * dt))
        width = (KB * self.temperature * FORCE_TO_ACCELERATION / state.system.masses[:, None]).sqrt()
        return state.replace(velocities=keep * state.velocities + (1.0 - keep**2) ** 0.5 * width * noise)


@dataclass(frozen=True)
class Brownian(Verlet):
    """Free diffusion: r += sqrt(2 D dt) noise."""

    diffusion: float = 0.01

    def step(self, state, potential, dt):
        noise = normal(state, THERMOSTAT)
        return state.replace(
            positions=state.positions + (2.0 * self.diffusion * dt) ** 0.5 * noise, step=state.step + 1
        )


def argon(repeat: int = 2, seed: int = 1) -> Atoms:
    atoms = bulk("Ar", a=5.4, cubic=True) * (repeat, repeat, repeat)
    random = np.random.default_rng(seed)
    atoms.rattle(0.1, rng=random)
    atoms.set_velocities(random.normal(0.0, 0.01, (len(atoms), 3)))
    return atoms


def fluid(repeat: int = 2, copies: int = 1, seed: int = 5) -> State:
    return State.from_atoms([argon(repeat, s + 1) for s in range(copies)], seed=seed)
