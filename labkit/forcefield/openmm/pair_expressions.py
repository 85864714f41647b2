"""Lennard-Jones in any spelling: what OpenMM computes for single pairs tells what a Custom force is.

Force fields with geometric mixing (OPLS, GROMOS), with tables, or with contacts (Gō models) are written in many ways;
that a pair has A/r^12 - C/r^6, and which A and C, does not depend on how it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from labkit.forcefield.terms.contacts import single_pairs
from labkit.forcefield.terms.geometric_mixing import A_UNIT as ROOT_A
from labkit.forcefield.terms.geometric_mixing import C_UNIT as ROOT_C
from labkit.forcefield.terms.geometric_mixing import GeometricLennardJones
from labkit.forcefield.terms.lennard_jones import LennardJones
from labkit.forcefield.terms.nbfix.openmm_tables import lorentz_berthelot
from labkit.forcefield.terms.nbfix.term import Nbfix
from labkit.forcefield.terms.openmm_values import pair_settings, plain, table
from labkit.forcefield.terms.registry import Named, reads, unknown
from labkit.units import COULOMB, KJ_PER_MOL, NANOMETRE

DISTANCES = np.array([0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.45, 0.6, 0.8, 1.1, 2.0, 5.0])  # nm
POWERS = {"r^-12": DISTANCES**-12.0, "r^-6": DISTANCES**-6.0, "r^-1": 1 / DISTANCES}
MOST_KINDS = 64  # of particles, all pairs of which are asked for


@reads("CustomNonbondedForce")
def _read(force: Any, system: Any) -> Named:
    """A/r^12 - C/r^6 for all pairs: by Lorentz and Berthelot, by geometric means, or by pairs of kinds."""
    if force.getNumInteractionGroups() or force.getNumComputedValues() or not force.getNumParticles():
        raise unknown(force)
    given = [[plain(x) for x in force.getParticleParameters(i)] for i in range(force.getNumParticles())]
    every, which = np.unique(np.array(given, dtype=np.float64).reshape(len(given), -1), axis=0, return_inverse=True)
    if len(every) > MOST_KINDS:
        raise unknown(force, f"of {len(every)} kinds of particles it is not found out whether it is A/r^12 - C/r^6")
    which, count = which.reshape(-1), len(every)
    a, c = np.zeros((2, count, count))
    first, second = np.triu_indices(count)
    energies = _of_pairs(force, np.stack([every[first], every[second]], 1))
    for i, j, found in zip(first, second, energies, strict=True):
        powers = _fit(found, ("r^-12", "r^-6"))
        if powers is None:
            raise unknown(force, "it is not A/r^12 - C/r^6")
        a[i, j], c[i, j] = a[j, i], c[j, i] = powers[0], -powers[1]
    yield _term(which, a, c, pair_settings(force))


@reads("CustomBondForce")
def _read_bonds(force: Any, system: Any) -> Named:
    """A/r^12 - C/r^6 + k_e q/r for single pairs."""
    if not force.getNumBonds():
        return
    atoms, values = table([[i, j, *v] for i, j, v in map(force.getBondParameters, range(force.getNumBonds()))], 2)
    every, which = np.unique(values, axis=0, return_inverse=True)
    found = [_fit(energies, tuple(POWERS)) for energies in _of_bonds(force, every)]
    if any(powers is None for powers in found):
        raise unknown(force, "it is not A/r^12 - C/r^6 + k q/r")
    a, c, q = np.array(found)[which.reshape(-1)].T
    k = COULOMB * NANOMETRE**-1 / KJ_PER_MOL
    yield from single_pairs(atoms, a, -c, force.usesPeriodicBoundaryConditions(), q / k)


def _term(which: np.ndarray, a: np.ndarray, c: np.ndarray, settings: Any) -> tuple[str, Any]:
    single = lorentz_berthelot(a, c)
    if single is not None:
        sigma, epsilon = single
        return "lennard_jones", LennardJones(sigma[which] * NANOMETRE, epsilon[which] * KJ_PER_MOL, *settings)
    roots = [np.sqrt(np.abs(table.diagonal())) for table in (a, c)]
    if all(np.allclose(np.outer(r, r), t, rtol=1e-6, atol=0) for r, t in zip(roots, (a, c), strict=True)):
        return "lennard_jones", GeometricLennardJones(roots[0][which] * ROOT_A, roots[1][which] * ROOT_C, *settings)
    return "nbfix", Nbfix(which, a * KJ_PER_MOL * NANOMETRE**12, c * KJ_PER_MOL * NANOMETRE**6, *settings)


def _fit(energies: np.ndarray, powers: tuple[str, ...]) -> np.ndarray | None:
    """Factors of powers of r that give these energies at DISTANCES, with 0 for what is rounding; None if none do."""
    if not np.isfinite(energies).all():
        return None
    columns = np.stack([POWERS[power] for power in powers], 1)
    size = np.abs(columns).max(1)
    for _ in range(3):  # the error of each energy is relative to its largest part, which is known after a first fit
        scaled = columns / size[:, None]
        weight = np.abs(scaled).max(0)
        factors = np.linalg.lstsq(scaled / weight, energies / size, rcond=None)[0] / weight
        parts = np.abs(columns * factors)
        size = np.maximum(parts.max(1), 1e-30 * np.abs(columns).max(1))
    factors = np.where((parts / size[:, None]).max(0) > 1e-7, factors, 0.0)
    return factors if (np.abs(columns @ factors - energies) <= 1e-6 * size + 1e-12).all() else None


def _of_pairs(force: Any, parameters: np.ndarray) -> Iterator[np.ndarray]:
    """OpenMM's energies at DISTANCES of two particles, for each pair of rows of parameters (m, 2, p)."""
    import openmm

    two = openmm.CustomNonbondedForce(force.getEnergyFunction())
    for p in range(force.getNumPerParticleParameters()):
        two.addPerParticleParameter(force.getPerParticleParameterName(p))
    for t in range(force.getNumTabulatedFunctions()):
        function = openmm.XmlSerializer.clone(force.getTabulatedFunction(t))
        two.addTabulatedFunction(force.getTabulatedFunctionName(t), function)
    _globals(force, two)
    for row in parameters[0]:
        two.addParticle(row.tolist())

    def put(rows: np.ndarray) -> None:
        for k, row in enumerate(rows):
            two.setParticleParameters(k, row.tolist())

    return _energies(two, parameters, put)


def _of_bonds(force: Any, parameters: np.ndarray) -> Iterator[np.ndarray]:
    """OpenMM's energies at DISTANCES of one bond, for each row of parameters (m, p)."""
    import openmm

    one = openmm.CustomBondForce(force.getEnergyFunction())
    for p in range(force.getNumPerBondParameters()):
        one.addPerBondParameter(force.getPerBondParameterName(p))
    _globals(force, one)
    one.addBond(0, 1, parameters[0].tolist())
    return _energies(one, parameters, lambda row: one.setBondParameters(0, 0, 1, row.tolist()))


def _globals(force: Any, copy: Any) -> None:
    for g in range(force.getNumGlobalParameters()):
        copy.addGlobalParameter(force.getGlobalParameterName(g), force.getGlobalParameterDefaultValue(g))


def _energies(force: Any, parameters: np.ndarray, put: Callable[[np.ndarray], None]) -> Iterator[np.ndarray]:
    import openmm

    system = openmm.System()
    for _ in range(2):
        system.addParticle(1.0)
    system.addForce(force)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    for row in parameters:
        put(row)
        force.updateParametersInContext(context)
        found = []
        for distance in DISTANCES.tolist():
            context.setPositions([openmm.Vec3(0, 0, 0), openmm.Vec3(distance, 0, 0)])
            found.append(context.getState(energy=True).getPotentialEnergy()._value)
        yield np.array(found)
