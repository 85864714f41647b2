"""Constant temperature with little disturbance: stochastic velocity rescaling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.base import Integrator, Potential, State, System
from labkit.engine import noise
from labkit.engine.constraints import Constraints
from labkit.engine.kinetic import degrees_of_freedom, kinetic_energy
from labkit.engine.motion import per_atom, per_system
from labkit.engine.velocity_verlet import VelocityVerlet
from labkit.errors import LabkitError
from labkit.units import KB


@dataclass(frozen=True, eq=False)
class Csvr(Integrator):
    """Velocity Verlet, then all velocities of a system are multiplied by α, so that K has its canonical distribution.

    α² = c + (1 - c) q (R² + G) + 2 R sqrt(c (1 - c) q),  q = k_B T/(2K),  c = exp(-dt/τ),

    with R standard normal and G a chi-square of f - 1 degrees of freedom; f is that of the system.

    temperature K, a number or (S,)
    time        τ in fs
    com_removed whether the centre of mass is at rest (it is after `maxwell_boltzmann`, unless an external field acts,
                or atoms are held: then all degrees of freedom of the free ones count, whatever is given here)

    aux["heat"] (S,) eV is the heat added by the thermostat; `conserved` subtracts it.
    Bussi, Donadio and Parrinello, J. Chem. Phys. 126, 014101 (2007). Raises LabkitError for a system at rest, which no
    factor can heat, and for a time that is not positive.

    >>> gentle = Csvr(temperature=300.0, time=100.0)
    """

    temperature: float | Tensor
    time: float = 100.0
    constraints: Constraints | None = None
    com_removed: bool = True

    def init(self, state: State, potential: Potential) -> State:
        if not self.time > 0:
            raise LabkitError(f"Csvr: time is {self.time} fs; expected a positive number such as 100")
        target = per_system(self.temperature, state, "temperature")
        free = self.degrees_of_freedom(state.system)
        kinetic = kinetic_energy(state)
        for s in torch.nonzero(~((target > 0) & (free > 1) & (kinetic > 0))).flatten().tolist():
            if not target[s] > 0:
                raise LabkitError(
                    f"Csvr: temperature of system {s} is {float(target[s])} K; expected a positive number"
                )
            if not free[s] > 1:
                if state.system.held_counts[s] == state.system.counts[s]:
                    raise LabkitError(f"Csvr: all atoms of system {s} are held; expected two free ones or more")
                raise LabkitError(
                    f"Csvr: system {s} has {float(free[s]):.0f} degrees of freedom, expected 2 or more; use Langevin, "
                    "or com_removed=False where an external field acts"
                )
            if not kinetic[s] > 0:
                raise LabkitError(f"Csvr: system {s} is at rest and stays at rest; start with maxwell_boltzmann")
        state = VelocityVerlet(self.constraints).init(state, potential)
        return state.replace(aux={**state.aux, "heat": _heat(state)})

    def step(self, state: State, potential: Potential, dt: float) -> State:
        moved = VelocityVerlet(self.constraints).step(state, potential, dt)
        # the noise of this step, not of the next
        return self._rescaled(moved, dt, state.step)

    def advance(self, state: State, potential: Potential, dt: float, steps: int) -> State:
        """Many steps, faster if the potential is compiled."""
        for _ in range(steps):
            moved = VelocityVerlet(self.constraints).advance(state, potential, dt, 1)
            state = self._rescaled(moved, dt, state.step)
        return state

    def degrees_of_freedom(self, system: System) -> Tensor:
        """Degrees of freedom of the kinetic temperature of these dynamics, (S,)."""
        return degrees_of_freedom(system, self.constraints, self.com_removed)

    def bath(self, state: State) -> Tensor:
        return per_system(self.temperature, state, "temperature")

    def conserved(self, state: State) -> Tensor:
        """Total energy minus the heat from the thermostat, (S,) eV; drifts only by the timestep error."""
        return state.energy + kinetic_energy(state) - state.aux["heat"]

    def _rescaled(self, state: State, dt: float, step: Tensor) -> State:
        target = per_system(self.temperature, state, "temperature")
        free = self.degrees_of_freedom(state.system)
        kinetic = kinetic_energy(state)
        kick = noise.normal_of_systems(state, noise.RESCALING, step=step)[:, 0]
        rest = noise.chi_square(state, free - 1.0, noise.THERMOSTAT, step=step)
        keep = math.exp(-dt / self.time)
        ratio = 0.5 * KB * target / kinetic * (1.0 - keep)
        square = keep + ratio * (kick**2 + rest) + 2.0 * kick * (keep * ratio).sqrt()
        # the sign matters only to trajectories: when noise outweighs what is kept, velocities are reversed (eq. A8)
        factor = square.sqrt() * torch.where(kick + (keep / ratio).sqrt() < 0, -1.0, 1.0)
        aux = {**state.aux, "heat": _heat(state) + kinetic * (square - 1.0)}
        return state.replace(velocities=per_atom(factor, state) * state.velocities, aux=aux)


def _heat(state: State) -> Tensor:
    """Heat added by the thermostat; zero if the state comes from other dynamics."""
    return state.aux.get("heat", torch.zeros_like(state.energy))
