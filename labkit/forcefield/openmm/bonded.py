"""OpenMM's bonded forces as terms: kJ/mol, nm and rad become eV, Å and rad."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from labkit.forcefield.terms.angles import HarmonicAngles
from labkit.forcefield.terms.bonds import HarmonicBonds, UreyBradley
from labkit.forcefield.terms.cmap import Cmap
from labkit.forcefield.terms.term import Term
from labkit.forcefield.terms.torsions import RyckaertBellemans, Torsions
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

SPRING = KJ_PER_MOL / NANOMETRE**2
Named = Iterator[tuple[str, Term]]


def plain(quantity: Any) -> float:
    """The number of what OpenMM gives with or without a unit, in OpenMM's own units: nm, kJ/mol, rad, e, u."""
    return quantity.value_in_unit(quantity.unit) if hasattr(quantity, "unit") else float(quantity)


def table(rows: list[list[Any]], atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `atoms` indices and then values: (m, atoms) integers and (m, values) floats."""
    indices = np.array([row[:atoms] for row in rows], dtype=np.int64)
    return indices, np.array([[plain(value) for value in row[atoms:]] for row in rows], dtype=np.float64)


def bonds(force: openmm.HarmonicBondForce, system: openmm.System) -> Named:
    """Bonds; pairs that are the ends of an angle and no arm of one are Urey-Bradley terms."""
    if not force.getNumBonds():
        return
    atoms, values = table([force.getBondParameters(m) for m in range(force.getNumBonds())], 2)
    far, periodic = _ends_of_angles(atoms, system), force.usesPeriodicBoundaryConditions()
    for name, kind, rows in (("bonds", HarmonicBonds, ~far), ("urey_bradley", UreyBradley, far)):
        if rows.any():
            r0, k = values[rows].T
            yield name, kind(atoms[rows], k * SPRING, r0 * NANOMETRE, periodic)


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


def angles(force: openmm.HarmonicAngleForce, system: openmm.System) -> Named:
    """Harmonic angles."""
    if force.getNumAngles():
        atoms, values = table([force.getAngleParameters(m) for m in range(force.getNumAngles())], 3)
        theta0, k = values.T
        yield "angles", HarmonicAngles(atoms, k * KJ_PER_MOL, theta0, force.usesPeriodicBoundaryConditions())


def torsions(force: openmm.PeriodicTorsionForce, system: openmm.System) -> Named:
    """Cosine torsions, proper and improper."""
    if force.getNumTorsions():
        atoms, values = table([force.getTorsionParameters(m) for m in range(force.getNumTorsions())], 4)
        n, phase, k = values.T
        yield "torsions", Torsions(atoms, n, phase, k * KJ_PER_MOL, force.usesPeriodicBoundaryConditions())


def ryckaert_bellemans(force: openmm.RBTorsionForce, system: openmm.System) -> Named:
    """Ryckaert-Bellemans torsions."""
    if force.getNumTorsions():
        atoms, c = table([force.getTorsionParameters(m) for m in range(force.getNumTorsions())], 4)
        yield "rb_torsions", RyckaertBellemans(atoms, c * KJ_PER_MOL, force.usesPeriodicBoundaryConditions())


def cmaps(force: openmm.CMAPTorsionForce, system: openmm.System) -> Named:
    """CMAP torsions, one term for each size of map; OpenMM's maps run fastest over the first angle."""
    if not force.getNumTorsions():
        return
    maps = []
    for m in range(force.getNumMaps()):
        size, energy = force.getMapParameters(m)
        maps.append(np.array([plain(e) for e in energy]).reshape(size, size).T * KJ_PER_MOL)
    rows = np.array([force.getTorsionParameters(m) for m in range(force.getNumTorsions())], dtype=np.int64)
    sizes = np.array([len(grid) for grid in maps])
    for size in np.unique(sizes[rows[:, 0]]):
        used = np.flatnonzero(sizes == size)
        mine = rows[sizes[rows[:, 0]] == size]
        which, atoms = np.searchsorted(used, mine[:, 0]), mine[:, 1:]
        stack = np.stack([maps[m] for m in used])
        yield "cmap", Cmap(atoms, which, stack, force.usesPeriodicBoundaryConditions())
