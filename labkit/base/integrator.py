"""Integrator: the interface used by the simulation loop, replica exchange and observers, with defaults."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from labkit.base.potential import Potential
from labkit.base.state import State
from labkit.base.system import System


class Integrator(ABC):
    """Base class of integrators, frozen dataclasses of their parameters; learned dynamics are integrators too.

    A subclass writes `init` and `step`. The rest has defaults:

    constraints   fixed distances, or None
    evaluations   number of force evaluations in a step
    cell_moves    whether the cell changes, as under a barostat

    >>> from labkit.base import State
    >>> class Drag(Integrator):
    ...     \"\"\"dr/dt = μ F.\"\"\"
    ...     def init(self, state, potential):
    ...         return state.replace(forces=potential.evaluate(state).forces)
    ...     def step(self, state, potential, dt):
    ...         moved = state.replace(positions=state.positions + dt * state.forces, step=state.step + 1)
    ...         found = potential.evaluate(moved)
    ...         return moved.replace(forces=found.forces, energy=found.energy)
    """

    constraints: Any = None
    evaluations: int = 1
    cell_moves: bool = False

    @abstractmethod
    def init(self, state: State, potential: Potential) -> State:
        """The state with forces, energy (S,) eV and whatever the integrator keeps in `aux`."""

    @abstractmethod
    def step(self, state: State, potential: Potential, dt: float) -> State:
        """The state `dt` fs later, with forces, energy and step + 1; noise comes from `labkit.engine.noise` alone.

        Forces are evaluated with the step of their positions, so that a potential can know the time; for positions
        between two steps aux["time"] (S,) fs holds it.
        """

    def advance(self, state: State, potential: Potential, dt: float, steps: int) -> State:
        """The state after `steps` steps; an integrator that can make several at once overrides this."""
        for _ in range(steps):
            state = self.step(state, potential, dt)
        return state

    def degrees_of_freedom(self, system: System) -> Tensor:
        """Degrees of freedom of the kinetic temperature, (S,): 3 for each atom not held, minus constraints."""
        found = 3.0 * (system.counts - system.held_counts).to(system.masses)
        return found if self.constraints is None else found - self.constraints.count(system)

    def bath(self, state: State) -> Tensor | None:
        """Temperatures (S,) K of the heat bath, or None."""
        return None

    def conserved(self, state: State) -> Tensor | None:
        """The conserved quantity, (S,) eV, which drifts only by the timestep error, or None."""
        return None
