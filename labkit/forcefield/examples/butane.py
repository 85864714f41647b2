"""A chain of four beads, like butane, with known populations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from ase import Atoms

from labkit.base import State
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.terms.angles import HarmonicAngles
from labkit.forcefield.terms.bonds import HarmonicBonds
from labkit.forcefield.terms.torsions import Torsions
from labkit.units import KB

BARRIER, TILT = 0.24, 0.012  # eV: height of the barrier; half the energy of cis above trans


def chain(copies: int = 1) -> tuple[State, ForceField]:
    """Butane's carbons as four beads, `copies` chains in one batch, all trans, with a high barrier to cis:

    U(φ) = ½ B (1 - cos 2φ) + t (1 + cos φ), besides bonds and angles, on which the distribution of φ does not depend.
    """
    bond, angle = 1.53, math.radians(111.0)
    x, y = bond * math.sin(angle / 2), bond * math.cos(angle / 2)
    atoms = Atoms("C4", [[0, 0, 0], [x, y, 0], [2 * x, 0, 0], [3 * x, y, 0]])
    terms = {
        "bonds": HarmonicBonds([[0, 1], [1, 2], [2, 3]], k=20.0, r0=bond),
        "angles": HarmonicAngles([[0, 1, 2], [1, 2, 3]], k=4.0, theta0=angle),
        "torsions": Torsions([[0, 1, 2, 3]] * 2, n=[2, 1], phase=[math.pi, 0.0], k=[BARRIER / 2, TILT]),
    }
    return State.from_atoms([atoms] * copies), ForceField(terms, 4).repeat(copies)


def cis_share(temperature: Any) -> np.ndarray:
    """Fraction of time with |φ| < 90° at a temperature [K]: ∫ exp(-U/k_B T) dφ over this range, over that of all φ.

    >>> float(cis_share(1e9).round(3))
    0.5
    """
    phi = (np.arange(3600) + 0.5) * math.pi / 1800 - math.pi
    energy = 0.5 * BARRIER * (1 - np.cos(2 * phi)) + TILT * (1 + np.cos(phi))
    weight = np.exp(-energy / (KB * np.asarray(temperature, dtype=float)[..., None]))
    return weight[..., np.abs(phi) < math.pi / 2].sum(-1) / weight.sum(-1)


def is_cis(state: State) -> torch.Tensor:
    """1.0 for each chain of a batch with |φ| < 90°, else 0.0, (S,)."""
    first, second, third, fourth = state.positions.reshape(-1, 4, 3).unbind(1)
    axis = third - second
    one, other = torch.linalg.cross(second - first, axis), torch.linalg.cross(axis, fourth - third)
    return ((one * other).sum(1) > 0).to(state.positions)
