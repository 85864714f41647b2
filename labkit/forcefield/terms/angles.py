"""Harmonic angles."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labkit.base import System
from labkit.forcefield.fast.bonded import bonded_kernel
from labkit.forcefield.terms.degenerate import straight, without
from labkit.forcefield.terms.openmm_values import rows, table
from labkit.forcefield.terms.registry import Named, reads, writes
from labkit.forcefield.terms.term import Term, separation
from labkit.units import KJ_PER_MOL

if TYPE_CHECKING:
    import openmm


class HarmonicAngles(Term):
    """E = ½ k (θ - θ0)², θ = ∠(i, j, k) at the middle atom j.

    θ = atan2(|a × b|, a · b), which is precise also near 0 and π where arccos is not. A straight angle has no
    force, as its direction is undefined.

    atoms (m, 3); k (m,) eV/rad² (twice AMBER's and CHARMM's); theta0 (m,) rad

    >>> HarmonicAngles([[1, 0, 2]], k=3.0, theta0=1.82).atoms.shape
    torch.Size([1, 3])
    """

    VALUES = ("k", "theta0")

    def __init__(self, atoms: Any, k: Any, theta0: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, k=k, theta0=theta0, periodic=periodic)
        self._rows(3)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        i, j, k = self.atoms.unbind(1)
        a = separation(system, positions, cell, j, i, self.periodic)
        b = separation(system, positions, cell, j, k, self.periodic)
        normal, scale2 = torch.linalg.cross(a, b), (a.square().sum(1) * b.square().sum(1)).detach()
        across = torch.where(straight(normal, scale2), 0.0, torch.linalg.vector_norm(normal, dim=1))
        energies = 0.5 * self.k * (torch.atan2(across, (a * b).sum(1)) - self.theta0) ** 2
        return without(energies, ~(scale2 > 0) & (self.k != 0))


@reads("HarmonicAngleForce")
def _read(force: openmm.HarmonicAngleForce, system: openmm.System) -> Named:
    """Harmonic angles."""
    if force.getNumAngles():
        atoms, values = table([force.getAngleParameters(m) for m in range(force.getNumAngles())], 3)
        theta0, k = values.T
        yield "angles", HarmonicAngles(atoms, k * KJ_PER_MOL, theta0, force.usesPeriodicBoundaryConditions())


@writes(HarmonicAngles)
def _write(mm: Any, term: HarmonicAngles, periodic: bool) -> openmm.HarmonicAngleForce:
    """A HarmonicAngleForce."""
    force = mm.HarmonicAngleForce()
    for atoms, k, theta0 in rows(term.atoms, term.k / KJ_PER_MOL, term.theta0):
        force.addAngle(*atoms, theta0, k)
    return force


@bonded_kernel(HarmonicAngles)
def _kernel(atoms: np.ndarray, k: np.ndarray, theta0: np.ndarray) -> Callable[..., None]:
    """Compiled angles."""
    from labkit.forcefield.fast.kernels import bonded  # late: needs numba

    return partial(bonded.angles, atoms, k, theta0)
