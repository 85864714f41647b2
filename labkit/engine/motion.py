"""The moves that integrators are made of: evaluate, kick, drift; and parameters that may differ between systems."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from labkit.base import Potential, State
from labkit.engine.constraints import Constraints
from labkit.engine.left_out import left_out
from labkit.engine.whole import whole
from labkit.errors import LabkitError
from labkit.units import FORCE_TO_ACCELERATION


def evaluated(state: State, potential: Potential, *, stress: bool = False) -> State:
    """The state with forces, energy (S,) eV and, if asked for, aux["stress"] (S, 3, 3) eV/Å^3.

    Keeps the graph where gradients are enabled and something in the state or the potential requires them; run under
    torch.no_grad() (as `simulate` does) to compute without one.
    """
    follow = torch.is_grad_enabled() and (
        any(t.requires_grad for t in (state.positions, state.velocities, state.cell))
        or any(p.requires_grad for p in potential.parameters())
    )
    found = potential.evaluate(state, forces=True, stress=stress, create_graph=follow)
    aux = {key: value for key, value in state.aux.items() if key != "stress"}  # it belongs to earlier positions
    if stress:
        aux["stress"] = found.stress
    return state.replace(forces=found.forces, energy=found.energy, aux=aux)


def started(state: State, potential: Potential, constraints: Constraints | None, *, stress: bool = False) -> State:
    """The state brought onto its constraints, with forces; held atoms are at rest.

    Molecules that are cut by the faces of the cell are made whole. Warns of constraints of the force field that are
    not among these.
    """
    system = state.system
    if (said := left_out(potential, constraints)) is not None:
        warnings.warn(said, stacklevel=4)
    if system.any_held:
        state = state.replace(velocities=torch.where(system.held[:, None], 0.0, state.velocities))
    if constraints is not None:
        state = whole(state, constraints)
        constraints.check(system, state.positions)
        masses = state.system.masses
        positions = constraints.positions(state.positions, state.positions, masses, state.loop_step)
        velocities = constraints.velocities(positions, state.velocities, masses)
        state = state.replace(positions=positions, velocities=velocities)
    return evaluated(state, potential, stress=stress)


def kicked(state: State, dt: float, constraints: Constraints | None = None) -> State:
    """v + dt F/m, projected onto the constraints if they are given.

    A kick before a drift needs no projection: the impulse of the drift along the same bonds has the same effect.
    """
    masses = state.system.masses
    velocities = state.velocities + (dt * FORCE_TO_ACCELERATION) * state.forces / masses[:, None]
    if constraints is not None:
        velocities = constraints.velocities(state.positions, velocities, masses)
    return state.replace(velocities=velocities)


def drifted(state: State, dt: float, constraints: Constraints | None) -> State:
    """r + dt v, moved back onto the constraints; velocities receive its impulse."""
    moved = state.positions + dt * state.velocities
    if constraints is None:
        return state.replace(positions=moved)
    masses = state.system.masses
    positions = constraints.positions(state.positions, moved, masses, state.loop_step)
    return state.replace(positions=positions, velocities=state.velocities + (positions - moved) / dt)


def per_system(value: float | Tensor, state: State, name: str) -> Tensor:
    """A float or a tensor (S,) as a tensor (S,) like the positions. Raises LabkitError for another shape."""
    like, n = state.positions, state.system.n_systems
    if not isinstance(value, Tensor):
        return torch.full((n,), float(value), dtype=like.dtype, device=like.device)
    if value.shape not in ((), (n,)):
        raise LabkitError(
            f"{name} has shape {tuple(value.shape)}, but the batch holds {n} systems; give a number or shape ({n},)"
        )
    return value.to(like).expand(n)


def per_atom(values: Tensor, state: State) -> Tensor:
    """Values (S,) of systems as (n, 1), one per atom."""
    return values.index_select(0, state.system.index)[:, None]
