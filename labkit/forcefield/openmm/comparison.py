"""OpenMM's Reference platform and labkit compared, part by part of a System."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from labkit.base import State
from labkit.forcefield.fast.uncompiled import Uncompiled
from labkit.forcefield.openmm.reader import from_openmm
from labkit.units import KJ_PER_MOL, NANOMETRE

if TYPE_CHECKING:
    import openmm

NAMES = {"HarmonicBondForce": "bonds", "HarmonicAngleForce": "angles", "PeriodicTorsionForce": "torsions"}


def beside_openmm(system: openmm.System, state: State) -> pd.DataFrame:
    """Energies [eV] of each part and of the total in both codes, and their differences.

    Parts are evaluated with torch and autograd, the total with compiled kernels if available: both are tested.
    Columns: labkit, OpenMM [eV]; energy error, |E - E₀|/|E₀|; force error, sqrt(Σ|F - F₀|²/Σ|F₀|²). For each
    part both codes get the same System; OpenMM computes in float64. Raises LabkitError for forces without a term.
    """
    rows = {}
    for name, part in {**parts(system), "all": system}.items():
        forcefield = from_openmm(part)
        found = (forcefield if name == "all" else Uncompiled(forcefield)).evaluate(state)
        energy, forces = energies_and_forces(part, state.positions.numpy() / NANOMETRE)
        apart = found.forces.numpy() - forces
        rows[name] = {
            "labkit": float(found.energy),
            "OpenMM": energy,
            "energy error": abs(float(found.energy) - energy) / abs(energy),
            "force error": float(np.linalg.norm(apart) / np.linalg.norm(forces)),
        }
    return pd.DataFrame(rows).T.rename_axis("term")


def parts(system: openmm.System) -> dict[str, openmm.System]:
    """Systems of one force each; NonbondedForce becomes Lennard-Jones and electrostatics, each with its 1-4 pairs."""
    found = {}
    for force in system.getForces():
        kind = type(force).__name__
        if kind == "NonbondedForce":
            found["Lennard-Jones"] = _alone(system, _without(force, charges=True))
            found["electrostatics"] = _alone(system, _without(force, charges=False))
        elif kind != "CMMotionRemover":
            found[NAMES.get(kind, kind)] = _alone(system, copy.deepcopy(force))
    return found


def energies_and_forces(system: openmm.System, positions: np.ndarray) -> tuple[float, np.ndarray]:
    """OpenMM's Reference platform: energy in eV and forces (n, 3) in eV/Å at positions (n, 3) in nm."""
    import openmm

    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True)
    energy, forces = state.getPotentialEnergy(), state.getForces(asNumpy=True)
    return energy._value * KJ_PER_MOL, np.array(forces._value) * KJ_PER_MOL / NANOMETRE


def _alone(system: openmm.System, force: openmm.Force) -> openmm.System:
    bare = copy.deepcopy(system)
    for number in reversed(range(bare.getNumForces())):
        bare.removeForce(number)
    bare.addForce(force)
    return bare


def _without(force: openmm.NonbondedForce, *, charges: bool) -> openmm.NonbondedForce:
    """A copy without charges, or without Lennard-Jones wells."""
    left = copy.deepcopy(force)
    for i in range(left.getNumParticles()):
        charge, sigma, epsilon = left.getParticleParameters(i)
        left.setParticleParameters(i, *((0, sigma, epsilon) if charges else (charge, sigma, 0)))
    for m in range(left.getNumExceptions()):
        i, j, product, sigma, epsilon = left.getExceptionParameters(m)
        left.setExceptionParameters(m, i, j, *((0, sigma, epsilon) if charges else (product, sigma, 0)))
    return left
