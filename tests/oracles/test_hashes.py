"""Hashes: the same in every process and on every machine, and different for what labels depend on."""

import re
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.lj import LennardJones
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError
from labkit.oracles import CalculatorOracle, Label, LabelStore, Oracle, PySCF, TBLite, make_oracle, structure_hash
from labkit.oracles.oracle import never
from labkit.oracles.rows import read_structure, structure_bytes
from labkit.oracles.settings import canonical, settings_hash
from labkit.oracles.structure import bare, multiplicity, total_charge

lengths = st.floats(-1e3, 1e3, allow_nan=False)


@st.composite
def structures(draw):
    n = draw(st.integers(1, 5))
    positions = draw(st.lists(st.tuples(lengths, lengths, lengths), min_size=n, max_size=n))
    numbers = draw(st.lists(st.integers(1, 90), min_size=n, max_size=n))
    atoms = Atoms(numbers, positions, pbc=draw(st.tuples(st.booleans(), st.booleans(), st.booleans())))
    atoms.cell = np.eye(3) * draw(st.floats(1, 100)) + draw(st.floats(-0.3, 0.3))
    if draw(st.booleans()):
        atoms.info["charge"] = draw(st.integers(-3, 3))
    if draw(st.booleans()):
        atoms.set_initial_magnetic_moments(draw(st.lists(st.integers(-2, 2), min_size=n, max_size=n)))
    return atoms


def test_hashes_never_change():
    """Stored labels are found by these: if this test fails, so will everybody's store."""
    water = Atoms("OH2", [[0, 0, 0.1], [0, 0.76, -0.48], [0, -0.76, -0.48]])
    assert structure_hash(water) == "3c2cd2f4e78d0664b945dea02152173ada6e6827ff62fd1fd66ea939fcea75b3"
    assert TBLite("GFN1-xTB").hash == "509a888d9cb8640ec262971835d053cea3522e460b48447589d3abf6544bc6e7"
    assert PySCF("pbe", "def2-svp").hash == "bcd1d99a42b958179d99d50d7e4b2c82ea033e8a1a8108ef92acc3771ffb4994"
    assert PySCF("pbe", "def2-svp", auxbasis="def2-universal-jfit").hash != PySCF("pbe", "def2-svp").hash


def test_hashes_are_those_of_another_process():
    code = "from ase.build import molecule; from labkit.oracles import *; "
    code += "print(structure_hash(molecule('H2O')), TBLite(accuracy=0.1).hash)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == [structure_hash(molecule("H2O")), TBLite(accuracy=0.1).hash]


@given(structures(), st.floats(-1, 1))
@settings(max_examples=60, deadline=None)
def test_noise_of_the_representation_does_not_count(atoms, noise):
    """Rounded to 1e-10 Å: a change of 1e-12 Å is unseen unless a coordinate lies at a rounding edge."""
    atoms.positions = np.round(atoms.positions, 9) + 0.0
    atoms.cell = np.round(atoms.cell.array, 9)
    moved = atoms.copy()
    moved.positions += noise * 1e-12
    moved.positions[moved.positions == 0] = -0.0
    assert structure_hash(moved) == structure_hash(atoms)


@given(structures())
@settings(max_examples=60, deadline=None)
def test_what_changes_a_label_changes_the_hash(atoms):
    found = {structure_hash(atoms)}
    count = 1

    def other(change):
        nonlocal count
        copy = atoms.copy()
        change(copy)
        found.add(structure_hash(copy))
        count += 1

    other(lambda a: a.positions.__setitem__((0, 0), a.positions[0, 0] + 1e-8))
    other(lambda a: a.set_cell(a.cell.array * (1 + 1e-6)))
    other(lambda a: a.set_pbc([not p for p in a.pbc]))
    other(lambda a: a.numbers.__setitem__(0, a.numbers[0] + 1))
    other(lambda a: a.info.update(charge=a.info.get("charge", 0) + 5))
    other(lambda a: a.info.update(multiplicity=7))
    other(lambda a: a.set_initial_magnetic_moments(a.get_initial_magnetic_moments() + 0.5))
    other(lambda a: a.set_initial_charges(a.get_initial_charges() + 0.5))
    other(lambda a: a.extend(Atoms("H")))
    assert len(found) == count


@given(structures())
@settings(max_examples=60, deadline=None)
def test_what_does_not_change_a_label_does_not(atoms):
    other = atoms.copy()
    other.set_masses(np.arange(1, 1 + len(atoms)))
    other.set_momenta(np.ones((len(atoms), 3)))
    other.set_tags(3)
    other.info.update(trajectory=5)
    other.info.setdefault("charge", 0)
    assert structure_hash(other) == structure_hash(atoms) == structure_hash(bare(atoms))
    back = read_structure(structure_hash(atoms), structure_bytes(other))
    np.testing.assert_array_equal(back.positions, atoms.positions)
    np.testing.assert_array_equal(back.cell.array, atoms.cell.array)
    assert back.numbers.tolist() == atoms.numbers.tolist() and back.pbc.tolist() == atoms.pbc.tolist()


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), plain, max_size=4))
def test_settings_have_one_text(found):
    shuffled = dict(reversed(found.items()))
    tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in shuffled.items()}
    assert canonical(found) == canonical(tuples)
    assert settings_hash({**found, "more": 1}) != settings_hash(found)


def test_settings_without_a_text_are_named():
    with pytest.raises(LabkitError, match=r"settings\['a'\]\[1\] is of type function"):
        canonical({"a": [1, lambda: 1]})
    with pytest.raises(LabkitError, match=r"settings\['x'\] is nan, expected a finite number"):
        canonical({"x": float("nan")})
    assert canonical({"x": np.float64(2), "y": np.arange(2)}) == '{"x":2,"y":[0,1]}'


def test_a_calculator_is_told_by_its_parameters():
    """Two calculators under one name are not mixed, and a file that parameters do not show can be told."""
    one, two = (CalculatorOracle("LJ", lambda s=s: LennardJones(sigma=s)) for s in (1.0, 1.1))
    assert one.hash != two.hash and one.hash == CalculatorOracle("LJ", lambda: LennardJones(sigma=1.0)).hash
    model = CalculatorOracle("model", LennardJones, options={"sha256": "ab"})
    assert model.hash != CalculatorOracle("model", LennardJones, options={"sha256": "cd"}).hash
    assert one.hash == CalculatorOracle("LJ", one.make, threads=4).hash


def test_charge_and_spin_of_a_frame():
    hydroxide = Atoms("OH", [[0, 0, 0], [0, 0, 0.97]])
    assert (total_charge(hydroxide), multiplicity(hydroxide)) == (0, 2)
    hydroxide.info["charge"] = -1
    assert (total_charge(hydroxide), multiplicity(hydroxide)) == (-1, 1)
    hydroxide.info["multiplicity"] = 2
    with pytest.raises(LabkitError, match="10 electrons cannot have the multiplicity 2.*expected 1, 3"):
        multiplicity(hydroxide)
    hydroxide.info["charge"] = "one"
    with pytest.raises(LabkitError, match=r"info\['charge'\] is 'one', expected a whole number"):
        structure_hash(hydroxide)
    oxygen = molecule("O2")  # with the magnetic moments of its triplet
    assert multiplicity(oxygen) == 3
    triplet, singlet = TBLite().compute(oxygen), oxygen.copy()
    singlet.set_initial_magnetic_moments([0, 0])
    assert structure_hash(singlet) != structure_hash(oxygen)
    assert abs(TBLite().compute(singlet).energy - triplet.energy) > 0.05  # entropy of the electrons, 2 kT ln 4


def test_oracles_by_name():
    assert make_oracle("tblite", accuracy=0.1) == TBLite(accuracy=0.1)
    with pytest.raises(LabkitError, match="no oracle 'tblit', expected one of tblite, .*did you mean 'tblite'"):
        make_oracle("tblit")
    with pytest.raises(LabkitError, match="tblite: unknown setting 'acuracy'; did you mean 'accuracy'"):
        make_oracle("tblite", acuracy=1)
    with pytest.raises(LabkitError, match="no method 'GFN2', expected one of .*did you mean 'GFN2-xTB'"):
        TBLite("GFN2")


def test_another_kind_as_the_docs_write_it(repository, tmp_path):
    (block,) = re.findall(r"```python\n(@dataclass.*?)```", (repository / "docs" / "oracles.md").read_text(), re.DOTALL)
    space = {"dataclass": dataclass, "ClassVar": ClassVar, "Oracle": Oracle, "Label": Label, "never": never}
    exec(block, space)
    oracle = space["Harmonic"](2.0)
    with LabelStore(tmp_path / "labels.sqlite") as store:
        (labelled,) = oracle.label([Atoms("H", [[0.5, 0, 0]])], store)
    assert labelled.get_potential_energy() == 0.25 and labelled.get_forces().tolist() == [[-1, 0, 0]]
    assert oracle.hash != space["Harmonic"](3.0).hash
