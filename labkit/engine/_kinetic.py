"""Kinetic energy and temperature as the loop and the observers print them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labkit.base import State
from labkit.units import KB, KINETIC


def kinetic_energy(state: State) -> Tensor:
    """Kinetic energies (S,) eV: K = Σ m v² / 2."""
    return 0.5 * KINETIC * state.system.sum_over_atoms(state.system.masses * state.velocities.square().sum(1))


def degrees_of_freedom(state: State, integrator: Any = None) -> Tensor:
    """Degrees of freedom (S,): 3 an atom, less the integrator's `constraints`, and 3 where it has `com_removed`."""
    known = getattr(integrator, "degrees_of_freedom", None)
    if callable(known):
        return torch.as_tensor(known(state.system), dtype=state.positions.dtype, device=state.positions.device)
    found = 3.0 * state.system.counts.to(state.positions.dtype)
    if (constraints := getattr(integrator, "constraints", None)) is not None:
        found = found - constraints.count(state.system)
    return found - 3.0 if getattr(integrator, "com_removed", False) is True else found


def temperature(state: State, integrator: Any = None) -> Tensor:
    """Kinetic temperatures (S,) K: T = 2 K / (f k_B)."""
    return 2.0 * kinetic_energy(state) / (degrees_of_freedom(state, integrator).clamp(min=1.0) * KB)
