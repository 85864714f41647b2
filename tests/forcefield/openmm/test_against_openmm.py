"""Every term against OpenMM's Reference platform in float64: energies and forces of each force by itself."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

openmm = pytest.importorskip("openmm")

from forcefield import systems  # noqa: E402
from forcefield.compare import energies_and_forces  # noqa: E402

from labkit.errors import LabkitError  # noqa: E402
from labkit.forcefield.openmm.reader import from_openmm, import_openmm  # noqa: E402
from labkit.forcefield.openmm.state import state_from_openmm  # noqa: E402
from labkit.forcefield.openmm.writer import to_openmm  # noqa: E402
from labkit.units import KCAL_PER_MOL  # noqa: E402

SMALL = {
    "single bond": systems.single_bond,
    "single angle": systems.single_angle,
    "proper torsions": systems.proper_torsions,
    "Ryckaert-Bellemans": systems.ryckaert_bellemans,
    "improper": systems.improper,
    "CMAP": systems.cmap,
    "1-4 pair": systems.pair14,
    "ions": systems.ions,
    "one water": lambda: systems.waters(1),
    "two waters": lambda: systems.waters(2),
    "100 waters, reaction field": lambda: systems.water_box(100),
    "100 waters, reaction field, switch": lambda: systems.water_box(100, switch=True),
    "100 waters, PME": lambda: systems.water_box(100, "pme"),
    "triclinic water, reaction field": lambda: systems.triclinic_water("rf"),
    "triclinic water, PME": systems.triclinic_water,
    "alanine dipeptide": systems.alanine_dipeptide,
    "alanine dipeptide, CHARMM36": systems.charmm_dipeptide,
    "helix of 50 alanines": systems.helix,
    "ligand": systems.ligand,
    **{
        f"alanine dipeptide, {model}": partial(systems.implicit_dipeptide, model)
        for model in ("hct", "obc1", "obc2", "gbn", "gbn2")
    },
    "salt, NBFIX": systems.salt,
    "salt, NBFIX, cutoff": lambda: systems.periodic_salt(switch=False),
    "salt, NBFIX, switch": systems.periodic_salt,
}
LARGE = {
    "1000 waters, reaction field": lambda: systems.water_box(1000),
    "1000 waters, PME": lambda: systems.water_box(1000, "pme"),
    "alanine dipeptide in water": systems.solvated_dipeptide,
    "protein in water": systems.protein,
    "protein in GBn2": systems.implicit_protein,
}
ALL = {**SMALL, **LARGE}


def one_force(system: openmm.System, number: int) -> openmm.System:
    """A System with one force of another."""
    alone = openmm.System()
    for i in range(system.getNumParticles()):
        alone.addParticle(system.getParticleMass(i))
    alone.setDefaultPeriodicBoxVectors(*system.getDefaultPeriodicBoxVectors())
    alone.addForce(openmm.XmlSerializer.clone(system.getForce(number)))
    return alone


@pytest.mark.parametrize("name", ALL)
def test_each_force_is_openmms(name):
    system, topology, positions = ALL[name]()
    compared = 0
    for number in range(system.getNumForces()):
        alone = one_force(system, number)
        try:
            forcefield = from_openmm(alone)
        except LabkitError as error:
            assert "has no interactions" in str(error), error
            continue
        energy, forces = energies_and_forces(alone, positions)
        state = state_from_openmm(topology, positions, alone)
        found = forcefield.evaluate(state)
        label = f"{name}, force {number}, {type(system.getForce(number)).__name__}"
        limit = max(1e-6 * abs(energy), 1e-5 * KCAL_PER_MOL)
        assert abs(float(found.energy) - energy) <= limit, (label, float(found.energy), energy)
        difference = np.sqrt(np.mean((found.forces.numpy() - forces) ** 2))
        assert difference <= 1e-5 * np.sqrt(np.mean(forces**2)), (label, difference)
        compared += 1
    assert compared


@pytest.mark.parametrize("name", ALL)
def test_and_back(name):
    """What to_openmm writes has OpenMM's energy and forces of the original."""
    system, _, positions = ALL[name]()
    taken = import_openmm(system)
    back = to_openmm(taken.forcefield, taken.masses, taken.box, (taken.constraint_atoms, taken.constraint_distances))
    energy, forces = energies_and_forces(system, positions)
    again, forces_again = energies_and_forces(back, positions)
    # OpenMM's own implicit solvent has a k_e of nine digits
    close = 1e-6 if "implicit_solvent" in taken.forcefield.terms else 1e-8
    assert again == pytest.approx(energy, rel=close, abs=1e-9)
    np.testing.assert_allclose(forces_again, forces, rtol=0, atol=close * max(1.0, np.abs(forces).max()))
    twice = import_openmm(back)
    assert set(twice.forcefield.terms) == set(taken.forcefield.terms)
    assert back.getNumConstraints() == system.getNumConstraints()
