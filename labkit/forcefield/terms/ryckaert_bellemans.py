"""Torsions by powers of the cosine: Ryckaert and Bellemans."""

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
from labkit.forcefield.terms.dihedral import dihedral_or_none
from labkit.forcefield.terms.openmm_values import rows, table
from labkit.forcefield.terms.registry import Named, reads, writes
from labkit.forcefield.terms.term import Term
from labkit.units import KJ_PER_MOL

if TYPE_CHECKING:
    import openmm

NONE = np.empty(0)


class RyckaertBellemans(Term):
    """E = Σ_n c_n cos^n(φ - π), n = 0 to 5 (OPLS in GROMACS).

    atoms (m, 4); c (m, 6) eV
    """

    VALUES = ("c",)

    def __init__(self, atoms: Any, c: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, c=c, periodic=periodic)
        self._rows(4)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        phi, none = dihedral_or_none(system, positions, cell, self.atoms, self.periodic)
        x = torch.where(none, 0.0, -torch.cos(phi))
        total = torch.zeros_like(x)
        for c in self.c.unbind(1)[::-1]:  # Horner
            total = total * x + c
        return without(total, none & (self.c[:, 1:] != 0).any(1))


@reads("RBTorsionForce")
def _read(force: openmm.RBTorsionForce, system: openmm.System) -> Named:
    """Ryckaert-Bellemans torsions."""
    if force.getNumTorsions():
        atoms, c = table([force.getTorsionParameters(m) for m in range(force.getNumTorsions())], 4)
        yield "rb_torsions", RyckaertBellemans(atoms, c * KJ_PER_MOL, force.usesPeriodicBoundaryConditions())


@writes(RyckaertBellemans)
def _write(mm: Any, term: RyckaertBellemans, periodic: bool) -> openmm.RBTorsionForce:
    """An RBTorsionForce."""
    force = mm.RBTorsionForce()
    for atoms, c in rows(term.atoms, term.c / KJ_PER_MOL):
        force.addTorsion(*atoms, *c)
    return force


@bonded_kernel(RyckaertBellemans)
def _kernel(atoms: np.ndarray, c: np.ndarray) -> Callable[..., None]:
    """Compiled powers of the cosine."""
    from labkit.forcefield.fast.kernels import bonded  # late: needs numba

    return partial(bonded.torsions, bonded.RYCKAERT_BELLEMANS, atoms, None, NONE, NONE, c)
