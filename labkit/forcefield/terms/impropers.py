"""Harmonic impropers (CHARMM)."""

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
from labkit.forcefield.terms.openmm_values import plain, rows, table
from labkit.forcefield.terms.registry import Named, reads, unknown, writes
from labkit.forcefield.terms.term import Term
from labkit.units import KJ_PER_MOL

if TYPE_CHECKING:
    import openmm

#: CHARMM's improper, folded; for writing.
IMPROPER = "k*d^2; d = e - 6.283185307179586*floor(e/6.283185307179586 + 0.5); e = theta - theta0"
TABLE = np.empty((0, 1))


class HarmonicImpropers(Term):
    """E = ½ k d², d = φ - φ0 folded into (-π, π] (CHARMM).

    atoms (m, 4); k (m,) eV/rad²; phi0 (m,) rad
    """

    VALUES = ("k", "phi0")

    def __init__(self, atoms: Any, k: Any, phi0: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, k=k, phi0=phi0, periodic=periodic)
        self._rows(4)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        phi, none = dihedral_or_none(system, positions, cell, self.atoms, self.periodic)
        d = phi - self.phi0
        energies = 0.5 * self.k * (d - 2 * torch.pi * torch.round(d.detach() / (2 * torch.pi))) ** 2
        return without(energies, none & (self.k != 0))


@reads("CustomTorsionForce")
def _read(force: openmm.CustomTorsionForce, system: openmm.System) -> Named:
    """Harmonic impropers, k (θ - θ0)² in any notation: OpenMM's values of the expression are compared with it."""
    names = [force.getPerTorsionParameterName(p) for p in range(force.getNumPerTorsionParameters())]
    if not force.getNumTorsions():
        return
    if sorted(names) != ["k", "theta0"] or force.getNumGlobalParameters():
        raise unknown(force, "expected k*(theta-theta0)^2 with k and theta0 for each torsion")
    given = [force.getTorsionParameters(m) for m in range(force.getNumTorsions())]
    atoms, values = table([[*row[:4], *row[4]] for row in given], 4)
    k, theta0 = values[:, names.index("k")], values[:, names.index("theta0")]
    factors = [_factor(force, names, float(angle)) for angle in np.unique(theta0)]
    if None in factors or np.ptp(factors) > 1e-6:
        raise unknown(force, "it is not k*d^2 with d = theta - theta0 folded into (-pi, pi]")
    scale = 2 * factors[0] * KJ_PER_MOL
    yield "impropers", HarmonicImpropers(atoms, k * scale, theta0, force.usesPeriodicBoundaryConditions())


def _factor(force: openmm.CustomTorsionForce, names: list[str], theta0: float) -> float | None:
    """The c of an expression that is c k d² for all angles, else None."""
    import openmm

    probe, system = openmm.CustomTorsionForce(force.getEnergyFunction()), openmm.System()
    for name in names:
        probe.addPerTorsionParameter(name)
    probe.addTorsion(0, 1, 2, 3, [{"k": 1.0, "theta0": theta0}[name] for name in names])
    for _ in range(4):
        system.addParticle(1.0)
    system.addForce(probe)
    try:
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    except openmm.OpenMMException:  # it needs a table, or is invalid
        return None
    angles = np.linspace(-3.1, 3.1, 41)
    d2, energy = ((angles - theta0 + np.pi) % (2 * np.pi) - np.pi) ** 2, []
    for angle in angles:
        context.setPositions([(1, 0, 0), (0, 0, 0), (0, 0, 1), (np.cos(angle), np.sin(angle), 1)])
        energy.append(plain(context.getState(getEnergy=True).getPotentialEnergy()))
    # rounded: CHARMM files have π with six decimals
    factor = round(float(np.median(np.array(energy)[d2 > 0.01] / d2[d2 > 0.01])), 4)
    return factor if np.abs(energy - factor * d2).max() < 2e-5 else None


@writes(HarmonicImpropers)
def _write(mm: Any, term: HarmonicImpropers, periodic: bool) -> openmm.CustomTorsionForce:
    """A CustomTorsionForce."""
    force = mm.CustomTorsionForce(IMPROPER)
    force.addPerTorsionParameter("k")
    force.addPerTorsionParameter("theta0")
    for atoms, k, phi0 in rows(term.atoms, 0.5 * term.k / KJ_PER_MOL, term.phi0):
        force.addTorsion(*atoms, [k, phi0])
    return force


@bonded_kernel(HarmonicImpropers)
def _kernel(atoms: np.ndarray, k: np.ndarray, phi0: np.ndarray) -> Callable[..., None]:
    """Compiled impropers."""
    from labkit.forcefield.fast.kernels import bonded  # late: needs numba

    return partial(bonded.torsions, bonded.HARMONIC, atoms, None, k, phi0, TABLE)
