"""Constant temperature: Langevin dynamics in the BAOAB splitting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labkit.base import Integrator, Potential, State
from labkit.engine import noise
from labkit.engine.constraints import Constraints
from labkit.engine.kinetic import thermal_width
from labkit.engine.many_steps import Thermostat, many_steps
from labkit.engine.motion import drifted, evaluated, kicked, per_atom, per_system, started
from labkit.errors import LabkitError
from labkit.units import KB, KINETIC


@dataclass(frozen=True, eq=False)
class Langevin(Integrator):
    """m dv = F dt - γ m v dt + sqrt(2 γ m k_B T) dW, each step kick, drift, friction and noise, drift, kick.

    Friction and noise are exact: v <- c v + sqrt((1 - c²) k_B T/m) ξ with c = exp(-γ dt). Averages over positions of a
    harmonic potential are exact at any stable timestep; kinetic ones have an error of dt². With constraints each part
    stays on them (g-BAOAB). Held atoms get neither force nor noise.

    temperature K, a number or (S,)
    friction    γ in 1/fs, a number or (S,)

    Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34; Proc. R. Soc. A 472, 20160138 (2016). Raises LabkitError
    for negative parameters.

    >>> hot = Langevin(temperature=torch.tensor([300.0, 330.0]), friction=0.01)
    """

    temperature: float | Tensor
    friction: float | Tensor = 0.001
    constraints: Constraints | None = None

    def init(self, state: State, potential: Potential) -> State:
        for name in ("temperature", "friction"):
            value = per_system(getattr(self, name), state, name)
            if not bool((value >= 0).all()):
                raise LabkitError(f"Langevin: {name} is {value.tolist()}; expected no negative value")
        return started(state, potential, self.constraints)

    def step(self, state: State, potential: Potential, dt: float) -> State:
        return self.advanced(state, potential, dt)

    def advance(self, state: State, potential: Potential, dt: float, steps: int) -> State:
        """Many steps, faster if the potential is compiled."""
        return many_steps(self, state, potential, dt, steps, self._mixing)

    def bath(self, state: State) -> Tensor:
        return per_system(self.temperature, state, "temperature")

    def advanced(self, state: State, potential: Potential, dt: float, *, stress: bool = False) -> State:
        """A step; the stress at its end is also computed if a barostat needs it."""
        state = drifted(kicked(state, 0.5 * dt), 0.5 * dt, self.constraints)
        state = drifted(self._thermostat(state, dt), 0.5 * dt, self.constraints)
        # forces are evaluated with the step that the positions belong to
        state = evaluated(state.replace(step=state.step + 1), potential, stress=stress)
        # the only projection: each drift removes what the one before it, at the same positions, would have
        return kicked(state, 0.5 * dt, self.constraints)

    def _thermostat(self, state: State, dt: float) -> State:
        keep, width = self._weights(state, dt)
        random = noise.normal(state, noise.THERMOSTAT)
        return state.replace(velocities=keep[:, None] * state.velocities + width[:, None] * random)

    def _mixing(self, state: State, dt: float) -> Thermostat:
        keep, width = (t.double().numpy() for t in self._weights(state, dt))
        offsets = np.array(state.system.offsets)
        return keep, width, offsets, noise.THERMOSTAT, state.step.numpy(), state.seed.numpy()

    def _weights(self, state: State, dt: float) -> tuple[Tensor, Tensor]:
        """The factor of an atom's velocity, and the width of its noise [Å/fs], (n,) each."""
        keep = torch.exp(-dt * per_system(self.friction, state, "friction"))
        thermal = (1 - keep**2) * KB / KINETIC * per_system(self.temperature, state, "temperature")
        return per_atom(keep, state)[:, 0], thermal_width(per_atom(thermal, state), state.system)[:, 0]
