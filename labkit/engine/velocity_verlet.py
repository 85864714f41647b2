"""Constant energy: velocity Verlet, with RATTLE if there are constraints."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from labkit.base import Integrator, Potential, State, System
from labkit.engine.constraints import Constraints
from labkit.engine.kinetic import degrees_of_freedom, kinetic_energy
from labkit.engine.many_steps import many_steps
from labkit.engine.motion import drifted, evaluated, kicked, started


@dataclass(frozen=True, eq=False)
class VelocityVerlet(Integrator):
    """v += ½dt F/m, r += dt v, new F, v += ½dt F/m: time-reversible, the energy error grows as dt².

    com_removed  whether the centre of mass is at rest: only the number of degrees of freedom depends on it

    Swope et al., J. Chem. Phys. 76, 637 (1982); Andersen, J. Comput. Phys. 52, 24 (1983) with constraints.

    >>> state = VelocityVerlet().init(state, potential)  # doctest: +SKIP
    >>> state = VelocityVerlet().step(state, potential, dt=0.5)  # doctest: +SKIP
    """

    constraints: Constraints | None = None
    com_removed: bool = True

    def init(self, state: State, potential: Potential) -> State:
        return started(state, potential, self.constraints)

    def step(self, state: State, potential: Potential, dt: float) -> State:
        state = drifted(kicked(state, 0.5 * dt), dt, self.constraints)
        # forces are evaluated with the step that the positions belong to
        return kicked(evaluated(state.replace(step=state.step + 1), potential), 0.5 * dt, self.constraints)

    def advance(self, state: State, potential: Potential, dt: float, steps: int) -> State:
        """Many steps, faster if the potential is compiled."""
        return many_steps(self, state, potential, dt, steps)

    def degrees_of_freedom(self, system: System) -> Tensor:
        """Degrees of freedom of the kinetic temperature of these dynamics, (S,)."""
        return degrees_of_freedom(system, self.constraints, self.com_removed)

    def conserved(self, state: State) -> Tensor:
        """Total energy, (S,) eV."""
        return state.energy + kinetic_energy(state)
