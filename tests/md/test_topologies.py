"""What run files take from topologies: names, charges, masses, lists of angles, boxes, the order of the atoms."""

from __future__ import annotations

import numpy as np
import pytest
from forcefield.structure.files import write_psf
from md import files

from labkit.errors import LabkitError
from labkit.md import RunSettings, prepare
from labkit.units import COULOMB, KCAL_PER_MOL

X = np.array([[0, 0, 0], [4.0, 0, 0], [8.0, 0.5, 0], [11.5, 2.0, 1.0]])
YAML = """
atomtypes: [{types}]
bonds: {{"(X, X)": {{k0: 10.0, req: 3.8}}}}
angles: {{"(X, X, X)": {{k0: 5.0, theta0: 150.0}}}}
lj: {{{lj}}}
electrostatics: {{{charges}}}
masses: {{{masses}}}
"""


def run(folder, names=("C1", "C2", "C3", "C4"), types=("A",) * 4, lists=None, charges=None, masses=None, **keys):
    kinds = sorted(set(types))
    write_psf(
        folder / "x.psf", names, types, charges=charges, masses=masses, **(lists or {"bonds": [(0, 1), (1, 2), (2, 3)]})
    )
    (folder / "x.xyz").write_text("4\n\n" + "".join(f"C {x} {y} {z}\n" for x, y, z in X))
    parts = {"lj": "{{sigma: 5.0, epsilon: 0.5}}", "charges": "{{charge: 0.2}}", "masses": "14.0"}
    entries = {what: ", ".join(f"{t}: {text}" for t in kinds) for what, text in parts.items()}
    text = YAML.replace("{lj}", entries["lj"]).replace("{charges}", entries["charges"])
    (folder / "x.yaml").write_text(text.replace("{masses}", entries["masses"]).format(types=", ".join(kinds)))
    given = dict(topology="x.psf", coordinates="x.xyz", forcefield="x.yaml", **keys)
    return prepare(RunSettings.from_dict(given, "run"), folder)


def energies(prepared):
    terms = prepared.potential.terms
    return {name: float(term.evaluate(prepared.state).energy) / KCAL_PER_MOL for name, term in terms.items()}


@pytest.mark.parametrize("names", [("LP1", "LP2", "LPX", "C4"), ("C1", "OM", "C3", "OM"), ("D1", "D2", "H1", "H2")])
@pytest.mark.parametrize("types", [("A",) * 4, ("ca", "CA", "Ca", "cA"), ("D", "LP", "OM", "h")])
def test_any_names_and_types(tmp_path, names, types):
    found = run(tmp_path, names, types, forceterms=["bonds"])
    stretch = np.linalg.norm(X[1:] - X[:-1], axis=1) - 3.8
    assert energies(found)["bonds"] == pytest.approx(10 * np.sum(stretch**2))
    assert found.state.system.vocabulary.names == tuple(dict.fromkeys(types))
    assert len(found.state.system.bonds) == 3


def test_types_of_a_pdb_file_are_its_names(tmp_path):
    """OpenMM calls them O, H1 and H2."""
    places = "".join(
        f"HETATM{k:5d} {name:<4s} WAT A   1    {x:8.3f}{y:8.3f}{0:8.3f}  1.00  0.00\n"
        for k, (name, x, y) in enumerate((("OW", 0, 0), ("HW1", 0.96, 0), ("HW2", -0.24, 0.93)), 1)
    )
    (tmp_path / "w.pdb").write_text("CRYST1   20.000   21.000   22.000  90.00  90.00  90.00\n" + places)
    types = "{OW: {sigma: 3.15, epsilon: 0.15}, HW1: {sigma: 0.4, epsilon: 0.046}, HW2: {sigma: 0.4, epsilon: 0.046}}"
    (tmp_path / "w.yaml").write_text(f"atomtypes: [OW, HW1, HW2]\nlj: {types}\n")
    found = prepare(RunSettings.from_dict({"structure": "w.pdb", "forcefield": "w.yaml"}, "run"), tmp_path)
    assert found.state.system.vocabulary.names == ("OW", "HW1", "HW2")
    assert found.state.system.numbers.tolist() == [8, 1, 1] and len(found.state.system.bonds) == 2
    assert found.state.cell[0].diagonal().tolist() == [20.0, 21.0, 22.0]


def lj(r):
    return 2.0 * ((5.0 / r) ** 12 - (5.0 / r) ** 6)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("terms", [["lj"], ["bonds", "lj"], ["bonds", "angles", "lj"]])
def test_exclusions_are_torchmds(tmp_path, terms, listed):
    """Only bonds and angles that are in use, and in the file, exclude."""
    lists = {"bonds": [(0, 1), (1, 2), (2, 3)], "angles": [(0, 1, 2), (3, 2, 1)] if listed else []}
    left_out = {(0, 1), (1, 2), (2, 3)} if "bonds" in terms else set()
    left_out |= {(0, 2), (1, 3)} if "angles" in terms and listed else set()
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4) if (i, j) not in left_out]
    found = energies(run(tmp_path, lists=lists, forceterms=terms))
    assert found["lj"] == pytest.approx(sum(lj(np.linalg.norm(X[i] - X[j])) for i, j in pairs))
    assert ("angles" in found) == ("angles" in terms and listed)


def test_charges_and_masses_of_the_topology_win(tmp_path):
    q = np.array([0.5, -0.5, 0.25, -0.25])
    found = run(tmp_path, charges=q.tolist(), masses=[12.0, 0.0, 13.5, 0.0], forceterms=["electrostatics"])
    r = np.linalg.norm(X[:, None] - X, axis=2)[np.triu_indices(4, 1)]
    expected = COULOMB / KCAL_PER_MOL * np.sum(np.outer(q, q)[np.triu_indices(4, 1)] / r)
    assert energies(found)["electrostatics"] == pytest.approx(expected)
    assert found.state.system.masses.tolist() == [12.0, 14.0, 13.5, 14.0]
    assert any("charges are those of the topology" in note for note in found.notes)
    none = run(tmp_path, forceterms=["electrostatics"])  # the psf says 0
    assert energies(none)["electrostatics"] == 0.0 and any("charges are those" in note for note in none.notes)
    same = run(tmp_path, charges=[0.2] * 4, forceterms=["electrostatics"])
    assert energies(same)["electrostatics"] > 1 and not any("charges" in note for note in same.notes)


def test_what_of_the_topology_is_left_out_is_named(tmp_path):
    lists = {"bonds": [(0, 1), (1, 2), (2, 3)], "angles": [(0, 1, 2)], "dihedrals": [(0, 1, 2, 3)]}
    found = run(tmp_path, lists=lists)
    assert list(found.potential.terms) == ["bonds", "angles", "lj", "electrostatics"]
    assert any("1 dihedrals of the topology are left out: " in note for note in found.notes)
    found = run(tmp_path, forceterms=["bonds", "angles", "lj"])  # TorchMD makes no angles from bonds
    assert list(found.potential.terms) == ["bonds", "lj"]
    assert any("no angles: the topology lists none, though its bonds imply 2" in note for note in found.notes)


def hooh(folder, where="x y z"):
    files.prmtop(folder / "hooh.prmtop")
    positions = np.array([[0.1, 0.9, 0.2], [0, 0, 0], [1.4, 0.1, 0], [1.6, 0.5, 0.8]])
    return positions


def xyz(path, elements, positions, box=None):
    lattice = "" if box is None else f'Lattice="{box} 0 0 0 {box} 0 0 0 {box}" pbc="T T T"'
    rows = "".join(f"{e} {x} {y} {z}\n" for e, (x, y, z) in zip(elements, positions))
    path.write_text(f"{len(elements)}\n{lattice or 'x'}\n{rows}")


def test_atoms_in_another_order(tmp_path):
    positions = hooh(tmp_path)
    values = dict(topology="hooh.prmtop", coordinates="hooh.xyz", forcefield="hooh.prmtop")
    xyz(tmp_path / "hooh.xyz", "HOOH", positions)
    prepare(RunSettings.from_dict(values, "run"), tmp_path)
    for elements, words in (("OHOH", "another order: atom 0 is H1"), ("HOSH", "other atoms: atom 2 is O2 .* and S in")):
        xyz(tmp_path / "hooh.xyz", elements, positions)
        with pytest.raises(LabkitError, match=f"hooh.prmtop and .*hooh.xyz have .*{words}"):
            prepare(RunSettings.from_dict(values, "run"), tmp_path)
    xyz(tmp_path / "hooh.xyz", "OHOH", positions)
    with pytest.raises(LabkitError, match="hooh.prmtop and .*hooh.xyz have their atoms in another order"):
        prepare(RunSettings.from_dict({"structure": "hooh.xyz", "forcefield": "hooh.prmtop"}, "run"), tmp_path)


@pytest.mark.parametrize("box", [None, 0, 1])
def test_no_box_is_an_open_system(tmp_path, box):
    positions = hooh(tmp_path)
    xyz(tmp_path / "hooh.xyz", "HOOH", positions, box)
    values = dict(topology="hooh.prmtop", coordinates="hooh.xyz", forcefield="hooh.prmtop")
    found = prepare(RunSettings.from_dict(values, "run"), tmp_path)
    assert not found.state.system.pbc.any() and not found.state.cell.any()
    files.xsc(tmp_path / "box.xsc", np.eye(3) * (box or 0))
    xyz(tmp_path / "hooh.xyz", "HOOH", positions, 30)
    found = prepare(RunSettings.from_dict({**values, "extended_system": "box.xsc"}, "run"), tmp_path)
    assert not found.state.system.pbc.any()


def test_the_box_of_a_prmtop_counts_where_coordinates_have_none(tmp_path):
    positions = hooh(tmp_path)
    path = tmp_path / "hooh.prmtop"
    text = path.read_text().replace(
        f"{2:8d}{0:8d}\n" + f"{0:8d}" * 7 + f"{0:8d}", f"{2:8d}{0:8d}\n" + f"{0:8d}" * 7 + f"{1:8d}"
    )
    numbers = "".join(f"{x:16.8E}" for x in (90.0, 31.0, 32.0, 33.0))
    path.write_text(text + f"%FLAG BOX_DIMENSIONS\n%FORMAT(5E16.8)\n{numbers}\n")
    xyz(tmp_path / "hooh.xyz", "HOOH", positions)
    values = dict(topology="hooh.prmtop", coordinates="hooh.xyz", forcefield="hooh.prmtop", cutoff=9.0)
    found = prepare(RunSettings.from_dict(values, "run"), tmp_path)
    assert found.state.cell[0].diagonal().tolist() == pytest.approx([31, 32, 33]) and found.state.system.pbc.all()
    assert any("the box is that of the topology, of 31, 32, 33 Å" in note for note in found.notes)
    xyz(tmp_path / "hooh.xyz", "HOOH", positions, 40)
    found = prepare(RunSettings.from_dict(values, "run"), tmp_path)
    assert found.state.cell[0].diagonal().tolist() == pytest.approx([40, 40, 40])
    assert not any("box" in note for note in found.notes)


@pytest.mark.parametrize("keys", [{}, {"cutoff": 9.0}])
def test_a_molecule_that_the_cell_cuts(tmp_path, keys):
    positions, side = hooh(tmp_path), 20.0
    values = dict(topology="hooh.prmtop", coordinates="hooh.xyz", forcefield="hooh.prmtop", **keys)
    found = []
    for moves in np.zeros((4, 3)), np.random.default_rng(2).integers(-2, 3, (4, 3)):
        xyz(tmp_path / "hooh.xyz", "HOOH", positions + side * moves, side)
        found.append(energies(prepare(RunSettings.from_dict(values, "run"), tmp_path)))
    assert found[0]["bonds"] > 0.1
    assert found[1] == pytest.approx(found[0], abs=1e-9)
