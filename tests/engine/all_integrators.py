"""Every integrator there is, with a system that it moves: what the suite of test_all_integrators goes through.

A new integrator is a line here; a test fails where one is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from ase import Atoms
from ase.build import bulk

from labkit.base import Integrator, Potential, State
from labkit.engine import (
    CellRescaling,
    Constraints,
    Csvr,
    Langevin,
    ReplicaExchange,
    VelocityVerlet,
    maxwell_boltzmann,
)
from labkit.mobility import Brownian, RotnePragerYamakawa
from tests.engine.toys import LennardJones

T = torch.tensor([250.0, 300.0, 360.0], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Case:
    """An integrator for as many systems as there are temperatures, a potential, three systems, a timestep in fs."""

    make: Callable[[torch.Tensor], Integrator]
    potential: Callable[[], Potential]
    frames: Callable[[], list[Atoms]]
    dt: float
    exact: bool = True  # one system of the batch alone is the same run
    reverses: bool = False


def crystals() -> list[Atoms]:
    return [bulk("Ar", a=a, cubic=True) * (2, 2, 2) for a in (5.35, 5.5, 5.42)]


def triples() -> list[Atoms]:
    return [Atoms("Ar3", [[0, 0, 0], [3.8, 0.1 * k, 0], [-1.2, 3.7, 0]]) for k in range(3)]


def apart() -> list[Atoms]:
    return [Atoms("Ar4", [[0, 0, 0], [11 + k, 0, 0], [0, 12, 1], [3, 5, 13]]) for k in range(3)]


def rigid(systems: int) -> Constraints:
    lengths = torch.tensor([3.8, 3.9], dtype=torch.float64)
    return Constraints(torch.tensor([[0, 1], [0, 2]]), lengths).repeat(systems, 3)


CASES = {
    "VelocityVerlet": Case(lambda t: VelocityVerlet(), LennardJones, crystals, 2.0, reverses=True),
    "VelocityVerlet, rigid": Case(
        lambda t: VelocityVerlet(constraints=rigid(len(t))), LennardJones, triples, 2.0, reverses=True
    ),
    "Langevin": Case(lambda t: Langevin(t, friction=0.02), LennardJones, crystals, 2.0),
    "Langevin, rigid": Case(
        lambda t: Langevin(t, friction=0.02, constraints=rigid(len(t))), LennardJones, triples, 2.0
    ),
    "Csvr": Case(lambda t: Csvr(t, time=30.0), LennardJones, crystals, 2.0),
    "CellRescaling": Case(lambda t: CellRescaling(t, 1e-3, friction=0.02, every=3), LennardJones, crystals, 2.0),
    "ReplicaExchange": Case(
        lambda t: ReplicaExchange(Langevin(t, friction=0.02), every=2), LennardJones, lambda: crystals()[:1] * 3, 2.0,
        exact=False,
    ),
    "Brownian": Case(lambda t: Brownian(RotnePragerYamakawa(4.0, 5.0), t), LennardJones, apart, 50.0),
    "Brownian, Lanczos": Case(
        lambda t: Brownian(RotnePragerYamakawa(4.0, 5.0), t, scheme="euler", noise="lanczos"), LennardJones, apart, 50.0
    ),
}  # fmt: skip


def start(case: Case) -> State:
    """Warm, all with another step and seed."""
    state = maxwell_boltzmann(State.from_atoms(case.frames(), seed=11), T)
    return state.replace(step=torch.tensor([40, 40, 40]))
