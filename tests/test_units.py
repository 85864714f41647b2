"""Conversions against CODATA values written out."""

import numpy as np
import pytest
from ase import Atoms

from labkit import units
from labkit.base import State

E, U, AVOGADRO = 1.602176634e-19, 1.66053906660e-27, 6.02214076e23  # C, kg, 1/mol


def test_constants() -> None:
    assert pytest.approx(1e9 * 1e-30 / E, rel=1e-6) == units.GPA
    assert pytest.approx(1.380649e-23 / E, rel=1e-6) == units.KB
    assert pytest.approx(U * 1e10 / E, rel=1e-6) == units.KINETIC  # (Å/fs)² = 1e10 (m/s)²
    assert pytest.approx(E / 1e-10 / U * 1e-20, rel=1e-6) == units.FORCE_TO_ACCELERATION
    assert pytest.approx(4184 / AVOGADRO / E, rel=1e-6) == units.KCAL_PER_MOL
    assert pytest.approx(27.211386, rel=1e-6) == units.HARTREE
    assert pytest.approx(0.529177211, rel=1e-6) == units.BOHR
    assert pytest.approx(1e-3 / E * 1e-30 * 1e15, rel=1e-6) == units.MILLIPASCAL_SECOND
    assert pytest.approx(1e-22 / E, rel=1e-6) == units.PICONEWTON


def test_kinetic_energy_of_a_state_is_that_of_ase() -> None:
    atoms = Atoms("OH", [[0, 0, 0], [1, 0, 0]])
    atoms.set_velocities(np.random.default_rng(0).normal(size=(2, 3)))
    state = State.from_atoms(atoms)
    kinetic = 0.5 * units.KINETIC * (state.system.masses[:, None] * state.velocities**2).sum()
    assert float(kinetic) == pytest.approx(atoms.get_kinetic_energy(), rel=1e-12)
