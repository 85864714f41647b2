"""The description of a run that observers receive."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.base import Integrator, Potential, State


@dataclass(frozen=True, eq=False)
class Run:
    """The state from which a run starts (or resumes), its potential, its integrator and its timestep dt [fs]."""

    state: State
    potential: Potential
    integrator: Integrator
    dt: float
