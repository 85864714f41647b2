"""What moves a state and what watches it: protocols that dynamics, learned or not, are written to."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from labkit.base.potential import Evaluation, Potential
from labkit.base.system import State


@runtime_checkable
class Integrator(Protocol):
    """A rule of motion, a frozen dataclass of its parameters; learned dynamics are integrators too."""

    def init(self, state: State, potential: Potential) -> State:
        """The state with forces and whatever the integrator keeps in `aux`."""
        ...

    def step(self, state: State, potential: Potential, dt: float) -> State:
        """The state `dt` fs later; noise depends on (state.seed, state.step) alone.

        Forces are asked for with the step that their positions belong to, so that a potential can know the time; of
        positions between two steps aux["time"] (1,) fs says it.
        """
        ...


@runtime_checkable
class Observer(Protocol):
    """Called every `every` steps: a trajectory writer, thermodynamics, a learned quantity of interest."""

    every: int

    def __call__(self, state: State, evaluation: Evaluation) -> None: ...
