"""Kinetic energy, temperature from the true number of degrees of freedom, and initial velocities."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.base import Integrator, State, System
from labkit.engine import noise
from labkit.engine.constraints import Constraints
from labkit.engine.motion import per_atom, per_system
from labkit.errors import LabkitError
from labkit.units import KB, KINETIC


def kinetic_energy(state: State) -> Tensor:
    """K = ½ Σ m v² of the free atoms, (S,) eV."""
    system = state.system
    return 0.5 * KINETIC * system.sum_over_atoms(system.free_masses * state.velocities.square().sum(1))


def degrees_of_freedom(system: System, constraints: Constraints | None = None, com_removed: bool = False) -> Tensor:
    """3N - constraints, minus 3 if the centre of mass is at rest, (S,); of the dtype of the masses.

    N are the free atoms, and the constraints those with at least one free atom. Langevin dynamics moves the
    centre of mass; dynamics that conserve momentum do not, if it was removed at the start. A system with held atoms
    does not conserve momentum: all its free atoms count there, even with `com_removed`.

    >>> from ase.build import molecule
    >>> degrees_of_freedom(State.from_atoms([molecule("H2O"), molecule("CH4")]).system, com_removed=True).tolist()
    [6.0, 12.0]
    """
    found = 3.0 * (system.counts - system.held_counts).to(system.masses)
    if constraints is not None:
        found = found - constraints.count(system)
    if not com_removed:
        return found
    return torch.where(system.held_counts > 0, found, found - 3.0) if system.any_held else found - 3.0


def temperature(state: State, constraints: Constraints | None = None, com_removed: bool = False) -> Tensor:
    """T = 2K / (k_B f) with f degrees of freedom, (S,) K; 0 if all atoms are held."""
    free = degrees_of_freedom(state.system, constraints, com_removed)
    if state.system.any_held:
        free = free.clamp(min=1.0)  # K is zero where nothing can move
    return 2.0 * kinetic_energy(state) / (KB * free)


def temperature_under(state: State, integrator: Integrator | None) -> Tensor:
    """Kinetic temperatures (S,) K with the degrees of freedom that an integrator leaves; 3N without one."""
    free = degrees_of_freedom(state.system) if integrator is None else integrator.degrees_of_freedom(state.system)
    return 2.0 * kinetic_energy(state) / (free.to(state.positions).clamp(min=1.0) * KB)


def thermal_velocities(state: State, temperatures: Tensor, stream: int) -> Tensor:
    """Velocities (n, 3) Å/fs with variance k_B T/m, from the noise of this step; temperatures (S,) K."""
    width = thermal_width(KB / KINETIC * per_atom(temperatures, state), state.system)
    return width * noise.normal(state, stream)


def thermal_width(energies: Tensor, system: System) -> Tensor:
    """sqrt(E/m) [Å/fs] of E (n, 1) u Å²/fs², such as k_B T; zero for held atoms, and so is its derivative."""
    if not system.any_held:
        return (energies / system.masses[:, None]).sqrt()
    held = system.held[:, None]
    # not sqrt(E/inf): the derivative of a root at zero is not finite
    return torch.where(held, 0.0, (energies / torch.where(held, 1.0, system.masses[:, None])).sqrt())


def maxwell_boltzmann(
    state: State,
    temperature: float | Tensor,
    *,
    seed: int | None = None,
    constraints: Constraints | None = None,
    com_removed: bool = True,
) -> State:
    """The state with velocities of the Maxwell-Boltzmann distribution at `temperature` [K], a number or (S,).

    Components along constraints and, with `com_removed`, the motion of the centre of mass are removed, and nothing
    is rescaled, so that the kinetic energies have their canonical spread. `seed` replaces the state's for these only.
    Held atoms get no velocity, and centre-of-mass motion is not removed from systems that have some.

    Raises LabkitError for a negative temperature.

    >>> from ase.build import bulk
    >>> state = maxwell_boltzmann(State.from_atoms(bulk("Cu", cubic=True) * 5, seed=1), 300.0)
    >>> 270 < float(kinetic_energy(state) * 2 / KB / (3 * 500 - 3)) < 330
    True
    """
    wanted = per_system(temperature, state, "temperature")
    if not bool((wanted >= 0).all()):
        raise LabkitError(f"temperature is {wanted.tolist()} K; expected no negative value")
    velocities = thermal_velocities(state if seed is None else state.replace(seed=seed), wanted, noise.VELOCITIES)
    if constraints is not None:
        velocities = constraints.velocities(state.positions, velocities, state.system.masses)
    moving = state.replace(velocities=velocities)
    return without_com_motion(moving) if com_removed else moving


def without_com_motion(state: State) -> State:
    """The state with the velocity of each system's centre of mass subtracted from all its atoms.

    A system with held atoms stays as it is: infinitely heavy, its centre of mass is at rest whatever the free atoms do.
    """
    system = state.system
    momentum = system.sum_over_atoms(system.free_masses[:, None] * state.velocities)
    weight = system.sum_over_atoms(system.masses)[:, None]  # infinite with held atoms, which makes the mean zero
    mean = momentum / weight
    return state.replace(velocities=state.velocities - mean.index_select(0, system.index))
