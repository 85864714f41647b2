"""TorchMD's YAML format: its energies written out in kcal/mol, its wildcards, and what is wrong in a file."""

from __future__ import annotations

import ase
import numpy as np
import pytest

from labkit.base import State
from labkit.errors import LabkitError
from labkit.forcefield.torchmd.reader import from_torchmd_yaml, torchmd_masses
from labkit.units import COULOMB, KCAL_PER_MOL

FILE = """
atomtypes: [CT, HC, "NO"]
bonds:
  (CT, CT): {k0: 310.0, req: 1.526}
  (HC, X): {k0: 3.4e2, req: 1.09}
angles:
  (X, CT, X): {k0: 50.0, theta0: 109.5}
  (HC, CT, CT): {k0: 45.0, theta0: 108.0}
dihedrals:
  (X, CT, CT, X):
    terms:
      - {phi_k: 0.15, phase: 0.0, per: 3}
      - {phi_k: 0.2, phase: 180.0, per: 2}
    scnb: 2.0
    scee: 1.2
impropers:
  (X, X, CT, HC): {phi_k: 1.1, phase: 180.0, per: 2}
lj:
  CT: {sigma: 3.4, epsilon: -0.1094, sigma14: 3.3, epsilon14: -0.1}
  HC: {sigma: 2.65, epsilon: -0.0157, sigma14: 2.6, epsilon14: -0.015}
electrostatics:
  CT: {charge: -0.1}
  HC: {charge: 0.1}
masses:
  CT: 12.01
  HC: 1.008
"""
TYPES = ["HC", "CT", "CT", "HC", "CT"]  # a chain of four, and a lone atom that is bonded to nothing
BONDS = [(0, 1), (1, 2), (2, 3)]
X = np.array([[0.9, 0.5, 0.1], [0, 0, 0], [0, 0.2, 1.5], [0.3, 1.2, 1.8], [3.0, 3.1, -2.0]])
CHARGES = np.array([0.1, -0.1, -0.1, 0.1, -0.1])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "forcefield.yaml"
    path.write_text(FILE)
    return path


def energy(forcefield):
    return float(forcefield.evaluate(State.from_atoms(ase.Atoms("HC2HC", positions=X))).energy[0]) / KCAL_PER_MOL


def distance(i, j):
    return np.linalg.norm(X[i] - X[j])


def angle(i, j, k):
    a, b = X[i] - X[j], X[k] - X[j]
    return np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def dihedral(i, j, k, l):
    n1, n2 = np.cross(X[i] - X[j], X[k] - X[j]), np.cross(X[j] - X[k], X[l] - X[k])
    return np.arccos(n1 @ n2 / np.linalg.norm(n1) / np.linalg.norm(n2))  # its sign does not matter to phases 0 and π


def lj(r, sigma, epsilon):
    return 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)


def expected():
    phi = dihedral(0, 1, 2, 3)
    far = range(4)  # the atoms that see atom 4, and how
    sigma = [(own + 3.4) / 2 for own in (2.65, 3.4, 3.4, 2.65)]
    epsilon = [np.sqrt(own * 0.1094) for own in (0.0157, 0.1094, 0.1094, 0.0157)]
    stretch = {pair: distance(*pair) - r0 for pair, r0 in (((0, 1), 1.09), ((2, 3), 1.09), ((1, 2), 1.526))}
    r = distance(0, 3)
    return {
        "bonds": 340 * (stretch[0, 1] ** 2 + stretch[2, 3] ** 2) + 310 * stretch[1, 2] ** 2,
        "angles": 45 * sum((angle(*a) - np.radians(108)) ** 2 for a in ((0, 1, 2), (1, 2, 3))),
        "dihedrals": 0.15 * (1 + np.cos(3 * phi)) + 0.2 * (1 + np.cos(2 * phi - np.pi)),
        "lj": sum(lj(distance(i, 4), sigma[i], epsilon[i]) for i in far),
        "electrostatics": COULOMB / KCAL_PER_MOL * sum(CHARGES[i] * CHARGES[4] / distance(i, 4) for i in far),
        "1-4": lj(r, 2.6, 0.015) / 2 + COULOMB / KCAL_PER_MOL * 0.01 / r / 1.2,
        "repulsion": sum(4 * epsilon[i] * (sigma[i] / distance(i, 4)) ** 12 for i in far),
    }


@pytest.mark.parametrize("term", ["bonds", "angles", "dihedrals", "lj", "electrostatics", "repulsion"])
def test_each_term_alone(file, term):
    assert energy(from_torchmd_yaml(file, TYPES, BONDS, terms=[term])) == pytest.approx(expected()[term], rel=1e-10)


def test_all_terms(file):
    total = sum(value for name, value in expected().items() if name != "repulsion")
    forcefield = from_torchmd_yaml(file, TYPES, BONDS)
    assert list(forcefield.terms) == ["bonds", "angles", "dihedrals", "lj", "electrostatics", "1-4"]
    assert energy(forcefield) == pytest.approx(total, rel=1e-10)


def test_impropers_in_any_order_around_the_third_atom(file):
    forcefield = from_torchmd_yaml(file, TYPES, BONDS, impropers=[(0, 3, 2, 1)], terms=["impropers"])
    phi = dihedral(0, 3, 2, 1)
    assert energy(forcefield) == pytest.approx(1.1 * (1 + np.cos(2 * phi - np.pi)), rel=1e-10)


def test_given_charges_cutoff_and_reaction_field(file):
    forcefield = from_torchmd_yaml(
        file,
        TYPES,
        BONDS,
        charges=2 * CHARGES,
        cutoff=9.0,
        switch=7.5,
        reaction_field=True,
        terms=["lj", "electrostatics"],
    )
    coulomb, pairs = forcefield.terms["electrostatics"], forcefield.terms["lj"]
    assert (coulomb.reach, coulomb.dielectric, pairs.switch) == (9.0, 78.5, 7.5)
    r = np.array([distance(i, 4) for i in range(4)])
    k_rf, c_rf = (78.5 - 1) / (2 * 78.5 + 1) / 9**3, 3 * 78.5 / (2 * 78.5 + 1) / 9
    alone = from_torchmd_yaml(
        file, TYPES, BONDS, charges=2 * CHARGES, cutoff=9.0, reaction_field=True, terms=["electrostatics"]
    )
    here = COULOMB / KCAL_PER_MOL * 4 * np.sum(CHARGES[:4] * CHARGES[4] * (1 / r + k_rf * r**2 - c_rf))
    assert energy(alone) == pytest.approx(here, rel=1e-10)


def test_masses(file):
    assert torchmd_masses(file, TYPES).tolist() == [1.008, 12.01, 12.01, 1.008, 12.01]


WRONG = [
    (FILE, dict(types=["HC", "CT", "NO", "HC", "CT"]), r"no bonds parameters for atom types \(CT, NO\) \(atoms 1, 2\)"),
    (FILE, dict(types=["HC", "CT", "CT", "HC", "NO"]), r"no lj parameters for atom types NO \(atom 4\)"),
    (FILE.replace("  CT: 12.01", "").replace("masses", "masse"), {}, "unknown section 'masse'; did you mean 'masses'"),
    (FILE.replace("req: 1.526", "r_eq: 1.526"), {}, r"bonds, \(CT, CT\): unknown parameter 'r_eq'; did you mean 'req'"),
    (FILE.replace(", req: 1.526", ""), {}, r"bonds, \(CT, CT\): req is missing"),
    (FILE.replace("310.0", "stiff"), {}, "'stiff' is not a finite number"),
    (FILE.replace("(CT, CT):", "(CT, CT, CT):"), {}, "has 3 atom types, expected 2"),
    (FILE.replace("(CT, CT):", "(CT, CX):"), {}, "'CX' in '.CT, CX.' is not among the atomtypes"),
    (FILE.replace('"NO"', "NO"), {}, "reads an atom type as False; write it in quotes"),
    (FILE.replace("-0.0157", "0.0157"), {}, "some epsilon are positive"),
    (FILE.replace(", sigma14: 2.6, epsilon14: -0.015", ""), {}, r"lj, HC \(atom 0\): sigma14 or epsilon14 is missing"),
    (FILE, dict(terms=["bond"]), "unknown term 'bond'; did you mean 'bonds'"),
    (FILE, dict(bonds=[(0, 7)]), r"bonds: row \[0, 7\]; expected 2 different atoms of 0 to 4"),
    (FILE, dict(charges=[0.1]), "1 charges for 5 atoms"),
    ("- 1", {}, "expected sections"),
    ("a: [", {}, "not YAML"),
]


@pytest.mark.parametrize("text, changes, message", WRONG, ids=[m[:30] for _, _, m in WRONG])
def test_what_is_wrong_is_named(tmp_path, text, changes, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(LabkitError, match=message):
        from_torchmd_yaml(path, **{"types": TYPES, "bonds": BONDS, **changes})


def test_no_file(tmp_path):
    with pytest.raises(LabkitError, match="cannot be read: No such file"):
        from_torchmd_yaml(tmp_path / "none.yaml", TYPES, BONDS)
