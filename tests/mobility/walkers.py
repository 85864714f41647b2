"""Replicas of a few beads, and the mobilities and potentials that tests of Brownian dynamics need."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labkit.base import State, System, Vocabulary
from labkit.mobility import Mobility
from labkit.units import KB, MILLIPASCAL_SECOND
from tests.engine.tiny import Lonely

A, ETA, T = 10.0, 0.89 * MILLIPASCAL_SECOND, 300.0
KT = KB * T
FREE = 1 / (6 * math.pi * ETA * A)


def replicas(positions: Tensor, seed: int = 0) -> State:
    """Systems of equal beads at positions (S, n, 3)."""
    systems, n, _ = positions.shape
    system = System(
        numbers=torch.zeros(systems * n, dtype=torch.int64),
        masses=torch.full((systems * n,), 1e4, dtype=torch.float64),
        index=torch.arange(systems).repeat_interleave(n),
        pbc=torch.zeros(systems, 3, dtype=torch.bool),
        types=torch.zeros(systems * n, dtype=torch.int64),
        vocabulary=Vocabulary(("bead",)),
    )
    flat = positions.reshape(-1, 3).clone()
    return State(system, flat, torch.zeros(systems, 3, 3, dtype=torch.float64), torch.zeros_like(flat), seed=seed)


class Trap(Lonely):
    """½ k |r - centre|²."""

    def __init__(self, k: float, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
        super().__init__()
        self.k = k
        self.register_buffer("centre", torch.tensor(centre, dtype=torch.float64))

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours) -> Tensor:
        return system.sum_over_atoms(0.5 * self.k * (positions - self.centre).square().sum(1))


class Corrugated(Mobility):
    """μ(x) = μ₀ (1 + 0.8 sin(q x)), isotropic: one bead anywhere."""

    def __init__(self, scale: float, q: float) -> None:
        super().__init__()
        self.scale, self.q = scale, q

    def rows(self, positions: Tensor, cell: Tensor | None, rows: slice) -> Tensor:
        size = self.scale * (1 + 0.8 * torch.sin(self.q * positions[..., 0]))
        return size[:, rows, None, None, None] * torch.eye(3, dtype=positions.dtype)


def run(integrator, state: State, potential, dt: float, steps: int) -> State:
    with torch.no_grad():
        state = integrator.init(state, potential)
        for _ in range(steps):
            state = integrator.step(state, potential, dt)
    return state
