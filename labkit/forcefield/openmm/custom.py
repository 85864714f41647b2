"""OpenMM's Custom forces that are known terms in disguise: CHARMM's impropers, 1-4 pairs, tables, labkit's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from labkit.errors import LabkitError
from labkit.forcefield.openmm.bonded import Named, plain, table
from labkit.forcefield.openmm.own import REPULSIONS, repulsion
from labkit.forcefield.terms.nbfix.openmm_tables import ROOT_TABLE, TABLES, tables
from labkit.forcefield.terms.pairs14 import Pairs14
from labkit.forcefield.terms.torsions import HarmonicImpropers
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

LJ_COULOMB = "4*epsilon*((sigma/r)^12-(sigma/r)^6)+138.93545764438198*q/r"
#: With OpenMM's factor for 1-4 pairs, 4 where they are not scaled, and with or without charges.
LJ_PAIR = re.compile(
    r"([0-9.e+-]+)\*epsilon\*\(\(sigma/r\)\^12-\(sigma/r\)\^6\)(" + re.escape("+138.93545764438198*q/r") + ")?"
)


def formula(force: openmm.Force) -> str:
    """The expression of a Custom force without blanks and the last semicolon."""
    return re.sub(r"\s", "", force.getEnergyFunction()).rstrip(";")


def unknown(force: openmm.Force, why: str = "") -> LabkitError:
    """The error for a Custom force that is no known term."""
    return LabkitError(
        f"{type(force).__name__} with the expression {force.getEnergyFunction()!r} has no term in labkit"
        f"{why and ': ' + why}; write it as a Potential and add it, or remove the force from the System"
    )


def impropers(force: openmm.CustomTorsionForce, system: openmm.System) -> Named:
    """Harmonic impropers, k (θ - θ0)² in any spelling: OpenMM's own values of the expression are compared with it."""
    names = [force.getPerTorsionParameterName(p) for p in range(force.getNumPerTorsionParameters())]
    if not force.getNumTorsions():
        return
    if sorted(names) != ["k", "theta0"] or force.getNumGlobalParameters():
        raise unknown(force, "expected k*(theta-theta0)^2 with k and theta0 for each torsion")
    rows = [force.getTorsionParameters(m) for m in range(force.getNumTorsions())]
    atoms, values = table([[*row[:4], *row[4]] for row in rows], 4)
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
    except openmm.OpenMMException:  # it needs a table, or has a fault
        return None
    angles = np.linspace(-3.1, 3.1, 41)
    d2, energy = ((angles - theta0 + np.pi) % (2 * np.pi) - np.pi) ** 2, []
    for angle in angles:
        context.setPositions([(1, 0, 0), (0, 0, 0), (0, 0, 1), (np.cos(angle), np.sin(angle), 1)])
        energy.append(plain(context.getState(getEnergy=True).getPotentialEnergy()))
    # rounded: files of CHARMM come with a π of six decimals
    factor = round(float(np.median(np.array(energy)[d2 > 0.01] / d2[d2 > 0.01])), 4)
    return factor if np.abs(energy - factor * d2).max() < 2e-5 else None


def pairs(force: openmm.CustomBondForce, system: openmm.System) -> Named:
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


def pair_forces(force: openmm.CustomNonbondedForce, system: openmm.System) -> Named:
    """Tables of Lennard-Jones parameters, and what labkit itself writes, by the expression."""
    if formula(force) in TABLES:
        return tables(force, rooted=formula(force) == ROOT_TABLE)
    if formula(force) in REPULSIONS:
        return repulsion(force, REPULSIONS[formula(force)])
    raise unknown(force)
