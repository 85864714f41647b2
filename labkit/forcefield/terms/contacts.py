"""Single pairs of the form A/r^12 - C/r^6 with any A and C: contacts of Gō models, 1-4 pairs of GROMACS."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labkit.base import System
from labkit.forcefield.fast.bonded import bonded_kernel
from labkit.forcefield.fast.kernels.limits import SAME2
from labkit.forcefield.terms.degenerate import without
from labkit.forcefield.terms.openmm_values import formula, rows, table
from labkit.forcefield.terms.pairs14 import Pairs14
from labkit.forcefield.terms.registry import Named, reads, unknown, writes
from labkit.forcefield.terms.term import Term, separation
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

A_AND_C = "-C/r^6+A/r^12"  # of GromacsTopFile
A_UNIT, C_UNIT = KJ_PER_MOL * NANOMETRE**12, KJ_PER_MOL * NANOMETRE**6


class Contacts(Term):
    """E = A / r^12 - C / r^6, without a cutoff; A and C of any sign, as of pairs that only repel.

    atoms (m, 2); repulsive A (m,) eV Å^12; attractive C (m,) eV Å^6

    >>> Contacts([[0, 4]], repulsive=1e4, attractive=0.0).atoms.tolist()
    [[0, 4]]
    """

    VALUES = ("repulsive", "attractive")

    def __init__(self, atoms: Any, repulsive: Any, attractive: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, repulsive=repulsive, attractive=attractive, periodic=periodic)
        self._rows(2)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        i, j = self.atoms.unbind(1)
        r2 = separation(system, positions, cell, i, j, self.periodic).square().sum(1)
        same = ~(r2.detach() > SAME2)
        inv6 = torch.where(same, 1.0, r2) ** -3
        energies = (self.repulsive * inv6 - self.attractive) * inv6
        return without(energies, same & ((self.repulsive != 0) | (self.attractive != 0)))


def single_pairs(atoms: np.ndarray, a: np.ndarray, c: np.ndarray, periodic: bool, q: np.ndarray | None = None) -> Named:
    """Terms of pairs A/r^12 - C/r^6 + k_e q/r in nm, kJ/mol and e²: Pairs14 where σ and ε follow, else Contacts."""
    two_sided = ((a > 0) & (c > 0)) | ((a == 0) & (c == 0))
    charged = np.zeros(len(a)) if q is None else q
    some = two_sided | (charged != 0)
    if some.any():
        here = two_sided & (a > 0)
        sigma = np.where(here, np.where(here, a, 1.0) / np.where(here, c, 1.0), 0.0) ** (1 / 6)
        epsilon = np.where(here, c**2 / (4 * np.where(here, a, 1.0)), 0.0)
        values = charged[some], sigma[some] * NANOMETRE, epsilon[some] * KJ_PER_MOL
        yield "pairs14", Pairs14(atoms[some], *values, periodic)
    if not two_sided.all():
        rest = ~two_sided
        yield "contacts", Contacts(atoms[rest], a[rest] * A_UNIT, c[rest] * C_UNIT, periodic)


@reads("CustomBondForce")
def _read(force: openmm.CustomBondForce, system: openmm.System) -> Named:
    """A/r^12 - C/r^6 of single pairs (GROMACS' 1-4 with geometric mixing, contacts of Gō models)."""
    names = [force.getPerBondParameterName(p) for p in range(force.getNumPerBondParameters())]
    if formula(force) != A_AND_C or sorted(names) != ["A", "C"]:
        raise unknown(force)
    given = [force.getBondParameters(m) for m in range(force.getNumBonds())]
    if given:
        atoms, values = table([[*row[:2], *row[2]] for row in given], 2)
        column = dict(zip(names, values.T, strict=True))
        yield from single_pairs(atoms, column["A"], column["C"], force.usesPeriodicBoundaryConditions())


@writes(Contacts)
def _write(mm: Any, term: Contacts, periodic: bool) -> openmm.CustomBondForce:
    """A CustomBondForce in the form of OpenMM's reader of GROMACS files."""
    force = mm.CustomBondForce(A_AND_C)
    for name in ("C", "A"):
        force.addPerBondParameter(name)
    for atoms, a, c in rows(term.atoms, term.repulsive / A_UNIT, term.attractive / C_UNIT):
        force.addBond(*atoms, [c, a])
    return force


@bonded_kernel(Contacts)
def _kernel(atoms: np.ndarray, repulsive: np.ndarray, attractive: np.ndarray) -> Callable[..., None]:
    """Compiled contacts."""
    from labkit.forcefield.fast.kernels import bonded  # late: needs numba

    return partial(bonded.contacts, atoms, repulsive, attractive)
