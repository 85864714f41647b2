"""The speed of simulations of a batch."""

from __future__ import annotations

import time

from labkit.base import Integrator, Potential, State
from labkit.engine.simulate import simulate


def throughput(state: State, potential: Potential, integrator: Integrator, dt: float, *, seconds: float = 0.2) -> float:
    """Steps times systems per second of wall time, of the fastest of several runs that take `seconds` together.

    The first steps, in which kernels are compiled and neighbours are searched, are not counted. The fastest, not the
    mean: other work of the machine only slows a run down.
    """
    state = simulate(state, potential, integrator, 4, dt)
    best, steps, end = 0.0, 4, time.perf_counter() + seconds
    while time.perf_counter() < end or not best:
        start = time.perf_counter()
        state = simulate(state, potential, integrator, steps, dt)
        spent = time.perf_counter() - start
        best = max(best, steps * state.system.n_systems / spent)
        steps = max(4, min(2 * steps, int(0.25 * seconds * steps / spent)))
    return best
