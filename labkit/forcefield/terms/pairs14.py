"""Pairs of atoms with their own parameters, computed at any distance: scaled 1-4 interactions."""

from __future__ import annotations

import re
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
from labkit.forcefield.terms.openmm_values import formula, table
from labkit.forcefield.terms.registry import Named, reads, unknown
from labkit.forcefield.terms.term import Term, separation
from labkit.units import COULOMB, KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

LJ_COULOMB = "4*epsilon*((sigma/r)^12-(sigma/r)^6)+138.93545764438198*q/r"
#: With OpenMM's factor for 1-4 pairs, 4 if they are not scaled, and with or without charges.
LJ_PAIR = re.compile(
    r"([0-9.e+-]+)\*epsilon\*\(\(sigma/r\)\^12-\(sigma/r\)\^6\)(" + re.escape("+138.93545764438198*q/r") + ")?"
)


class Pairs14(Term):
    """E = 4 ε ((σ/r)^12 - (σ/r)^6) + k_e q_i q_j / r, without a cutoff.

    atoms (m, 2); charge_product q_i q_j (m,) e², already scaled; sigma (m,) Å; epsilon (m,) eV

    >>> Pairs14([[0, 3]], charge_product=0.1, sigma=3.0, epsilon=0.005).atoms.tolist()
    [[0, 3]]
    """

    VALUES = ("charge_product", "sigma", "epsilon")

    def __init__(self, atoms: Any, charge_product: Any, sigma: Any, epsilon: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, charge_product=charge_product, sigma=sigma, epsilon=epsilon, periodic=periodic)
        self._rows(2)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        i, j = self.atoms.unbind(1)
        r2 = separation(system, positions, cell, i, j, self.periodic).square().sum(1)
        same = ~(r2.detach() > SAME2)
        r2 = torch.where(same, 1.0, r2)
        s6 = (self.sigma.square() / r2) ** 3
        energies = 4 * self.epsilon * (s6.square() - s6) + COULOMB * self.charge_product * torch.rsqrt(r2)
        return without(energies, same & ((self.charge_product != 0) | (self.sigma * self.epsilon != 0)))


@reads("CustomBondForce")
def _read(force: openmm.CustomBondForce, system: openmm.System) -> Named:
    """Lennard-Jones of single pairs (CHARMM's 1-4 in OpenMM's XML), with or without a charge product q."""
    if not force.getNumBonds():
        return
    names = [force.getPerBondParameterName(p) for p in range(force.getNumPerBondParameters())]
    known = LJ_PAIR.fullmatch(formula(force))
    if not known or sorted(names) != ["epsilon", *(["q"] if known[2] else []), "sigma"]:
        raise unknown(force)
    rows = [force.getBondParameters(m) for m in range(force.getNumBonds())]
    atoms, values = table([[*row[:2], *row[2]] for row in rows], 2)
    column = dict(zip(names, values.T, strict=True))
    yield (
        "pairs14",
        Pairs14(
            atoms,
            column.get("q", np.zeros(len(atoms))),
            column["sigma"] * NANOMETRE,
            column["epsilon"] * float(known[1]) / 4 * KJ_PER_MOL,
            force.usesPeriodicBoundaryConditions(),
        ),
    )


@bonded_kernel(Pairs14)
def _kernel(
    atoms: np.ndarray, charge_product: np.ndarray, sigma: np.ndarray, epsilon: np.ndarray
) -> Callable[..., None]:
    """Compiled single pairs."""
    from labkit.forcefield.fast.kernels import bonded  # late: needs numba

    return partial(bonded.pairs14, atoms, COULOMB * charge_product, sigma, epsilon)
