"""Many steps at once on the CPU: for potentials that evaluate arrays, without the overhead of torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from labkit.base import Compiled, Potential, State
from labkit.config import compiler
from labkit.engine.constraints import Constraints
from labkit.units import FORCE_TO_ACCELERATION

#: The noise in the middle of a step: factor of an atom's velocity and width of its noise (n,), offsets of
#: the systems (S + 1,), stream, steps and seeds (S,).
Thermostat = tuple[np.ndarray, np.ndarray, np.ndarray, int, np.ndarray, np.ndarray]


def many_steps(
    integrator: Any,
    state: State,
    potential: Potential,
    dt: float,
    steps: int,
    thermostat: Callable[[State, float], Thermostat] | None = None,
) -> State:
    """`steps` of an integrator with `constraints`: at once if the potential is compiled, otherwise one by one.

    At once they are velocity Verlet, or BAOAB with the noise of `thermostat` between two half drifts.
    """
    compute = _compiled(state, potential)
    if compute is None:
        for _ in range(steps):
            state = integrator.step(state, potential, dt)
        return state
    return _moved(state, compute, dt, steps, integrator.constraints, thermostat and thermostat(state, dt))


def _compiled(state: State, potential: Potential) -> Compiled | None:
    """The potential as a function of arrays, if it has one and no gradients are required."""
    tensors = state.positions, state.velocities, state.cell
    if torch.is_grad_enabled() and any(t.requires_grad for t in (*tensors, *potential.parameters())):
        return None
    same = all(t.device.type == "cpu" for t in tensors)
    return potential.compiled(state) if same and compiler() and state.forces is not None else None


def _moved(
    state: State, compute: Compiled, dt: float, steps: int, constraints: Constraints | None, mix: Thermostat | None
) -> State:
    """The order of operations is that of `kicked` and `drifted` in motion.py.

    A state of single precision is moved in double, and rounded after each step: so the bits do not depend on how many
    steps are made at once.
    """
    from labkit.engine.kernels import before_forces, drift, kick  # late: needs numba
    from labkit.engine.noise_kernels import thermalise

    dtype = state.positions.dtype
    r, v, f = (t.detach().double().numpy().copy() for t in (state.positions, state.velocities, state.forces))
    masses, energy, loop_step = state.system.masses.double(), state.energy.numpy(), state.loop_step
    weight = FORCE_TO_ACCELERATION / masses.numpy()
    binds = constraints is not None and len(constraints.moving(masses))
    rigid = constraints.on_arrays(masses) if binds else None

    def move(by: float, done: int) -> None:
        if rigid is None:
            drift(r, v, by)
        else:
            rigid.drift(r, v, by, loop_step + done)

    for done in range(steps):
        if mix is not None and rigid is None:
            before_forces(r, v, f, weight, dt, *mix, done)
        elif mix is None:
            kick(v, f, weight, 0.5 * dt)
            move(dt, done)
        else:
            kick(v, f, weight, 0.5 * dt)
            move(0.5 * dt, done)
            thermalise(v, *mix, done)
            move(0.5 * dt, done)
        energy = compute(r, f)
        kick(v, f, weight, 0.5 * dt)
        if rigid is not None:
            rigid.project(r, v)
        if dtype == torch.float32:
            for a in (r, v, f):
                a[:] = a.astype(np.float32)
    aux = {key: value for key, value in state.aux.items() if key != "stress"}  # it belongs to earlier positions
    names = ("positions", "velocities", "forces", "energy")
    fields = {name: torch.from_numpy(a).to(dtype) for name, a in zip(names, (r, v, f, energy), strict=True)}
    return state.replace(**fields, aux=aux, step=state.step + steps)
