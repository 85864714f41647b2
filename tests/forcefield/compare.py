"""What OpenMM's Reference platform says, in labkit's units."""

from __future__ import annotations

import numpy as np
import openmm
from openmm import unit

from labkit.units import KJ_PER_MOL, NANOMETRE


def energies_and_forces(system: openmm.System, positions: np.ndarray) -> tuple[float, np.ndarray]:
    """Energy in eV and forces (n, 3) in eV/Å at positions (n, 3) in nm; float64."""
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True)
    energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    return energy * KJ_PER_MOL, np.array(forces) * KJ_PER_MOL / NANOMETRE
