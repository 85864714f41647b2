"""Harmonic springs between two atoms: bonds, and Urey-Bradley terms between the ends of an angle."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labkit.base import System
from labkit.forcefield.fast.bonded import bonded_kernel
from labkit.forcefield.terms.degenerate import without
from labkit.forcefield.terms.openmm_values import SPRING, rows, table
from labkit.forcefield.terms.registry import Named, reads, writes
from labkit.forcefield.terms.term import Term, separation
from labkit.units import NANOMETRE

if TYPE_CHECKING:
    import openmm


class HarmonicBonds(Term):
    """E = ½ k (r - r0)².

    atoms (m, 2); k (m,) eV/Å² (twice AMBER's and CHARMM's); r0 (m,) Å; `periodic`: to the nearest image

    >>> from ase.build import molecule
    >>> from labkit.base import State
    >>> bonds = HarmonicBonds([[0, 1], [0, 2]], k=40.0, r0=0.96)
    >>> bonds.evaluate(State.from_atoms(molecule("H2O"))).forces.shape
    torch.Size([3, 3])
    """

    VALUES = ("k", "r0")

    def __init__(self, atoms: Any, k: Any, r0: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, k=k, r0=r0, periodic=periodic)
        self._rows(2)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        i, j = self.atoms.unbind(1)
        r = torch.linalg.vector_norm(separation(system, positions, cell, i, j, self.periodic), dim=1)
        # with both ends at one place a force has no direction
        return without(0.5 * self.k * (r - self.r0) ** 2, (r == 0) & (self.k * self.r0 != 0))


class UreyBradley(HarmonicBonds):
    """E = ½ k (s - s0)², s the distance between the ends of an angle (CHARMM)."""


@reads("HarmonicBondForce")
def _read(force: openmm.HarmonicBondForce, system: openmm.System) -> Named:
    """Bonds; pairs that are the ends of an angle, but not an arm of any, are Urey-Bradley terms."""
    if not force.getNumBonds():
        return
    atoms, values = table([force.getBondParameters(m) for m in range(force.getNumBonds())], 2)
    far, periodic = _ends_of_angles(atoms, system), force.usesPeriodicBoundaryConditions()
    for name, kind, some in (("bonds", HarmonicBonds, ~far), ("urey_bradley", UreyBradley, far)):
        if some.any():
            r0, k = values[some].T
            yield name, kind(atoms[some], k * SPRING, r0 * NANOMETRE, periodic)


def _ends_of_angles(pairs: np.ndarray, system: openmm.System) -> np.ndarray:
    n = system.getNumParticles()
    angles = [
        force.getAngleParameters(m)[:3]
        for force in system.getForces()
        if type(force).__name__ == "HarmonicAngleForce"
        for m in range(force.getNumAngles())
    ]
    i, j, k = np.array(angles, dtype=np.int64).reshape(-1, 3).T

    def code(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.minimum(a, b) * n + np.maximum(a, b)

    here = code(*pairs.T)
    return np.isin(here, code(i, k)) & ~np.isin(here, np.concatenate([code(i, j), code(j, k)]))


@writes(HarmonicBonds, UreyBradley)
def _write(mm: Any, term: HarmonicBonds, periodic: bool) -> openmm.HarmonicBondForce:
    """A HarmonicBondForce."""
    force = mm.HarmonicBondForce()
    for atoms, k, r0 in rows(term.atoms, term.k / SPRING, term.r0 / NANOMETRE):
        force.addBond(*atoms, r0, k)
    return force


@bonded_kernel(HarmonicBonds, UreyBradley)
def _kernel(atoms: np.ndarray, k: np.ndarray, r0: np.ndarray) -> Callable[..., None]:
    """Compiled springs."""
    from labkit.forcefield.fast.kernels import bonded  # late: needs numba

    return partial(bonded.bonds, atoms, k, r0)
