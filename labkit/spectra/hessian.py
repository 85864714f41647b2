"""Second derivatives of the energy, from forces of displaced copies in batches."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.base import Potential, State

_ATOMS = 2000  # displaced at once


def hessian(state: State, potential: Potential, step: float = 1e-3) -> Tensor:
    """d²E/dr_i dr_j (3n, 3n) eV/Å^2 of one system, symmetric, by central differences of forces in batches."""
    size = 3 * state.system.n_atoms
    shifts = step * torch.eye(size).to(state.positions).unflatten(1, (-1, 3))
    forces = [potential.evaluate(part).forces for part in displaced(state, torch.cat([shifts, -shifts]))]
    plus, minus = torch.cat(forces).reshape(2, size, size)
    found = (minus - plus) / (2 * step)
    return 0.5 * (found + found.mT)


def displaced(state: State, shifts: Tensor) -> list[State]:
    """Copies of a system, each displaced by one of `shifts` (K, n, 3), in batches."""
    many = max(1, _ATOMS // state.system.n_atoms)
    parts = []
    for some in shifts.split(many):
        batch = State.batch([state] * len(some), equal_seeds=True)
        parts.append(batch.replace(positions=batch.positions + some.flatten(0, 1)))
    return parts
