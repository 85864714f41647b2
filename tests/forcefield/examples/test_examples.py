"""Systems without files, and OpenMM beside them: agreement where it should be, and none where something is wrong."""

import copy

import numpy as np
import openmm
import pytest
import torch
from scipy.integrate import quad

from labkit.base import State
from labkit.forcefield.examples import BARRIER, TILT, chain, cis_share, is_cis, peptide, water
from labkit.forcefield.fast.uncompiled import Uncompiled
from labkit.forcefield.openmm import comparison
from labkit.forcefield.terms.dihedral import dihedral
from labkit.units import KB


@pytest.fixture(scope="module", params=["water", "peptide"])
def example(request):
    return water(100) if request.param == "water" else peptide()


def test_parts_agree_and_make_the_whole(example):
    table = comparison.beside_openmm(example.system, example.state)
    assert {"bonds", "angles", "Lennard-Jones", "electrostatics", "all"} <= set(table.index)
    assert (table["energy error"] < 1e-6).all() and (table["force error"] < 1e-5).all()
    for code in ("labkit", "OpenMM"):
        assert table[code].drop("all").sum() == pytest.approx(table.loc["all", code], abs=1e-9)


def test_a_wrong_spring_is_seen_in_its_own_row(example, monkeypatch):
    original = comparison.from_openmm

    def softer(system):
        found = original(system)
        if "bonds" in found.terms:
            found.terms["bonds"].k *= 0.999
        return found

    monkeypatch.setattr(comparison, "from_openmm", softer)
    table = comparison.beside_openmm(example.system, example.state)
    assert table.loc["bonds", "energy error"] == pytest.approx(1e-3)
    assert (table.drop(["bonds", "all"])["energy error"] < 1e-6).all()


def test_the_system_is_left_as_it_was(example):
    before = openmm.XmlSerializer.serialize(example.system)
    comparison.parts(example.system)
    assert openmm.XmlSerializer.serialize(copy.deepcopy(example.system)) == before


def test_uncompiled_is_the_same(example):
    state, forcefield = example.state, example.forcefield
    fast, slow = forcefield.evaluate(state), Uncompiled(forcefield).evaluate(state)
    torch.testing.assert_close(slow.energy, fast.energy)
    torch.testing.assert_close(slow.forces, fast.forces)


def test_atoms_of_a_box_feel_the_same_in_a_larger_one():
    box = water(100)
    (atoms,) = box.state.to_atoms()
    twice = box.forcefield.repeat(2).evaluate(State.from_atoms(atoms.repeat((1, 2, 1))))
    torch.testing.assert_close(twice.forces, box.forcefield.evaluate(box.state).forces.repeat(2, 1))


def test_chain_and_its_populations():
    state, forcefield = chain(3)
    rng = np.random.default_rng(2)
    state = state.replace(positions=state.positions + torch.as_tensor(rng.normal(scale=0.6, size=(12, 3))))
    phi = dihedral(state.system, state.positions, state.cell, torch.arange(12).reshape(3, 4))
    assert is_cis(state).tolist() == (phi.abs() < torch.pi / 2).double().tolist()
    energy = forcefield.energies(state.system, state.positions, state.cell, None)["torsions"]
    torch.testing.assert_close(energy, 0.5 * BARRIER * (1 - torch.cos(2 * phi)) + TILT * (1 + torch.cos(phi)))
    for temperature in (300.0, 900.0):

        def weight(x, kt=KB * temperature):
            return np.exp(-(0.5 * BARRIER * (1 - np.cos(2 * x)) + TILT * (1 + np.cos(x))) / kt)

        exact = quad(weight, 0, np.pi / 2)[0] / quad(weight, 0, np.pi)[0]
        assert float(cis_share(temperature)) == pytest.approx(exact, abs=1e-4)
