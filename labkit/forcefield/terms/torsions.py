"""Torsions by cosine series."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labkit.base import System
from labkit.errors import LabkitError
from labkit.forcefield.fast.bonded import bonded_kernel
from labkit.forcefield.terms.degenerate import without
from labkit.forcefield.terms.dihedral import dihedral_or_none
from labkit.forcefield.terms.openmm_values import rows, table
from labkit.forcefield.terms.registry import Named, reads, writes
from labkit.forcefield.terms.term import Term
from labkit.units import KJ_PER_MOL

if TYPE_CHECKING:
    import openmm

HIGHEST = 12  # periodicity in a series of cosines
NONE, TABLE = np.empty(0), np.empty((0, 1))


class Torsions(Term):
    """E = k (1 + cos(nφ - γ)), proper and improper (AMBER, CHARMM); several rows may name the same atoms.

    atoms (m, 4); n (m,) periodicity; phase γ (m,) rad; k (m,) eV

    >>> Torsions([[0, 1, 2, 3]], n=3, phase=0.0, k=0.05).k.shape
    torch.Size([1])
    """

    VALUES = ("n", "phase", "k")

    def __init__(self, atoms: Any, n: Any, phase: Any, k: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, n=n, phase=phase, k=k, periodic=periodic)
        self._rows(4)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        phi, none = dihedral_or_none(system, positions, cell, self.atoms, self.periodic)
        return without(self.k * (1 + torch.cos(self.n * phi - self.phase)), none & (self.k * self.n != 0))


@reads("PeriodicTorsionForce")
def _read(force: openmm.PeriodicTorsionForce, system: openmm.System) -> Named:
    """Cosine torsions, proper and improper."""
    if force.getNumTorsions():
        atoms, values = table([force.getTorsionParameters(m) for m in range(force.getNumTorsions())], 4)
        n, phase, k = values.T
        yield "torsions", Torsions(atoms, n, phase, k * KJ_PER_MOL, force.usesPeriodicBoundaryConditions())


@writes(Torsions)
def _write(mm: Any, term: Torsions, periodic: bool) -> openmm.PeriodicTorsionForce:
    """A PeriodicTorsionForce. Raises LabkitError for a periodicity that is not a whole number from 1."""
    force = mm.PeriodicTorsionForce()
    for atoms, n, phase, k in rows(term.atoms, term.n, term.phase, term.k / KJ_PER_MOL):
        if n != round(n) or n < 1:
            raise LabkitError(f"torsion of atoms {atoms}: periodicity {n}; OpenMM has whole numbers from 1 only")
        force.addTorsion(*atoms, round(n), phase, k)
    return force


@bonded_kernel(Torsions)
def _kernel(atoms: np.ndarray, n: np.ndarray, phase: np.ndarray, k: np.ndarray) -> Callable[..., None]:
    """Compiled torsions: the rows of the same atoms as one series if n are small whole numbers."""
    from labkit.forcefield.fast.kernels import bonded  # late: needs numba

    if np.isin(n, np.arange(HIGHEST + 1)).all():
        return partial(bonded.torsions, bonded.COSINE, *_series(atoms, n.astype(int), phase, k), NONE, NONE, TABLE)
    return partial(bonded.torsions, bonded.COSINE, atoms, None, n, phase, k[:, None])


def _series(atoms: np.ndarray, n: np.ndarray, phase: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows (q, 4) of atoms, and the sum of k (1 + cos(nφ - γ)) of each as a series (q, n + 1, 2)."""
    rows, which = np.unique(atoms, axis=0, return_inverse=True)
    series = np.zeros((len(rows), n.max() + 1, 2))
    np.add.at(series, (which.ravel(), 0, 0), k)
    np.add.at(series, (which.ravel(), n, 0), k * np.cos(phase))
    np.add.at(series, (which.ravel(), n, 1), k * np.sin(phase))
    return rows, series
