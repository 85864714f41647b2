"""Second derivatives of the energy, from forces of displaced copies in batches."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.base import NO_PROGRESS, Potential, Progress, State
from labkit.errors import Stopped

_ATOMS = 2000  # displaced at once


def hessian(state: State, potential: Potential, step: float = 1e-3, progress: Progress = NO_PROGRESS) -> Tensor:
    """d²E/dr_i dr_j (3n, 3n) eV/Å^2 of one system, symmetric, by central differences of forces in batches."""
    size = 3 * state.system.n_atoms
    shifts = step * torch.eye(size).to(state.positions).unflatten(1, (-1, 3))
    parts, forces = displaced(state, torch.cat([shifts, -shifts])), []
    for done, part in enumerate(parts):
        if progress.should_stop():
            raise Stopped(f"the Hessian was stopped after {done} of {len(parts)} batches")
        forces.append(potential.evaluate(part).forces)
        progress.update(done + 1, len(parts))
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
