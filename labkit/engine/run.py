"""What an observer is told of the run it watches."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.base import Integrator, Potential, State


@dataclass(frozen=True, eq=False)
class Run:
    """The state a run begins with (or goes on from), its potential, its integrator and its timestep dt [fs]."""

    state: State
    potential: Potential
    integrator: Integrator
    dt: float
