"""OpenMM's NonbondedForce as Lennard-Jones, Coulomb or PME, and 1-4 pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labkit.errors import LabkitError
from labkit.forcefield.terms.coulomb import Coulomb
from labkit.forcefield.terms.lennard_jones import LennardJones
from labkit.forcefield.terms.openmm_values import plain, table
from labkit.forcefield.terms.pairs14 import Pairs14
from labkit.forcefield.terms.pme import Pme
from labkit.forcefield.terms.registry import Named
from labkit.forcefield.terms.term import Term
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

METHODS = ("NoCutoff", "CutoffNonPeriodic", "CutoffPeriodic", "Ewald", "PME", "LJPME")


def nonbonded(force: openmm.NonbondedForce, system: openmm.System) -> Named:
    """The terms of a NonbondedForce; exceptions are exclusions, and 1-4 pairs if they have parameters.

    Charges and Lennard-Jones parameters that are all zero make no term. Raises LabkitError for parameter offsets, LJPME
    and negative epsilon.
    """
    _check(force)
    _, values = table([force.getParticleParameters(i) for i in range(force.getNumParticles())], 0)
    charges, sigma, epsilon = values.T
    _positive(epsilon, "particle")
    if force.getNumExceptions():
        pairs, extra = table([force.getExceptionParameters(m) for m in range(force.getNumExceptions())], 2)
        _positive(extra[:, 2], "exception")
    else:
        pairs, extra = np.zeros((0, 2), dtype=np.int64), np.zeros((0, 3))
    if epsilon.any():
        yield "lennard_jones", _lennard_jones(force, sigma, epsilon, pairs)
    if charges.any():
        yield _electrostatics(force, system, charges, pairs)
    scaled = (extra[:, 0] != 0) | (extra[:, 2] != 0)
    if scaled.any():
        product, s14, e14 = extra[scaled].T
        images = force.getExceptionsUsePeriodicBoundaryConditions() and force.usesPeriodicBoundaryConditions()
        yield "pairs14", Pairs14(pairs[scaled], product, s14 * NANOMETRE, e14 * KJ_PER_MOL, images)


def method(force: openmm.NonbondedForce) -> str:
    """The name of a NonbondedForce's nonbonded method."""
    return METHODS[force.getNonbondedMethod()]


def _lennard_jones(force: openmm.NonbondedForce, sigma: np.ndarray, epsilon: np.ndarray, pairs: np.ndarray) -> Term:
    cutoff = None if method(force) == "NoCutoff" else plain(force.getCutoffDistance()) * NANOMETRE
    switch = plain(force.getSwitchingDistance()) * NANOMETRE if force.getUseSwitchingFunction() else None
    return LennardJones(
        sigma * NANOMETRE,
        epsilon * KJ_PER_MOL,
        pairs,
        cutoff,
        None if cutoff is None else switch,
        force.getUseDispersionCorrection() and force.usesPeriodicBoundaryConditions(),
    )


def _electrostatics(
    force: openmm.NonbondedForce, system: openmm.System, charges: np.ndarray, pairs: np.ndarray
) -> tuple[str, Term]:
    how, cutoff = method(force), plain(force.getCutoffDistance()) * NANOMETRE
    if how == "NoCutoff":
        return "coulomb", Coulomb(charges, pairs)
    if how in ("CutoffNonPeriodic", "CutoffPeriodic"):
        return "coulomb", Coulomb(charges, pairs, cutoff, force.getReactionFieldDielectric())
    given = {}
    alpha, *mesh = force.getPMEParameters() if how == "PME" else (0.0, 0, 0, 0)
    if plain(alpha) > 0:
        lengths = [plain(row[axis]) for axis, row in enumerate(system.getDefaultPeriodicBoxVectors())]
        spacing = min(length / count for length, count in zip(lengths, mesh, strict=True))
        given = {"alpha": plain(alpha) / NANOMETRE, "mesh_spacing": spacing * NANOMETRE}
    return "pme", Pme(charges, pairs, cutoff, tolerance=force.getEwaldErrorTolerance(), **given)


def _check(force: openmm.NonbondedForce) -> None:
    offsets = force.getNumParticleParameterOffsets() + force.getNumExceptionParameterOffsets()
    if offsets:
        names = [force.getGlobalParameterName(i) for i in range(force.getNumGlobalParameters())]
        raise LabkitError(
            f"NonbondedForce has {offsets} parameter offsets (of {', '.join(names)}), which no term of labkit has; "
            "set the parameters to their final values and remove the offsets"
        )
    if method(force) == "LJPME":
        raise LabkitError("NonbondedForce uses LJPME, which no term of labkit has; use PME")


def _positive(epsilon: np.ndarray, what: str) -> None:
    wrong = np.flatnonzero(epsilon < 0)
    if len(wrong):
        raise LabkitError(
            f"NonbondedForce, {what} {wrong[0]}: epsilon is {epsilon[wrong[0]]} kJ/mol, expected 0 or more; "
            "CHARMM files write it with a minus sign"
        )
