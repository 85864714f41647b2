"""A box that is none is none in all files; boxes, masses and the order of atoms of files that belong together."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.errors import LabkitError

openmm = pytest.importorskip("openmm")

from forcefield.compare import energies_and_forces  # noqa: E402
from forcefield.files import (  # noqa: E402
    CHARGES,
    MASSES,
    NAMES,
    POSITIONS,
    RMIN,
    TYPES,
    write_amber,
    write_charmm,
    write_gromacs,
)
from openmm import app, unit  # noqa: E402

from labkit.forcefield import load  # noqa: E402
from labkit.units import COULOMB, KCAL_PER_MOL, NANOMETRE  # noqa: E402

PERIODIC = dict(nonbondedMethod=app.CutoffPeriodic, nonbondedCutoff=0.9 * unit.nanometer)
RESIDUES = ["MOL"] * 4 + ["NA", "CL"]
ELEMENTS = ["C", "C", "C", "O", "NA", "CL"]
ANGLES = (80.0, 95.0, 100.0)


def inpcrd(path, lengths, angles):
    flat = (POSITIONS * 10).flatten()
    rows = ["".join(f"{x:12.7f}" for x in flat[k : k + 6]) for k in range(0, len(flat), 6)]
    box = [] if lengths is None else ["".join(f"{x:12.7f}" for x in (*lengths, *angles))]
    path.write_text("\n".join(["chain", "    6", *rows, *box]) + "\n")


def restart(path, lengths, angles):
    from scipy.io import netcdf_file

    with netcdf_file(str(path), "w") as file:
        for name, size in (("atom", 6), ("spatial", 3), ("cell_spatial", 3), ("cell_angular", 3)):
            file.createDimension(name, size)
        file.createVariable("coordinates", "d", ("atom", "spatial"))[:] = POSITIONS * 10
        if lengths is not None:
            file.createVariable("cell_lengths", "d", ("cell_spatial",))[:] = lengths
            file.createVariable("cell_angles", "d", ("cell_angular",))[:] = angles


def pdb(path, lengths, angles, order=range(6)):
    lines = []
    if lengths is not None:
        lines.append("CRYST1" + "".join(f"{x:9.3f}" for x in lengths) + "".join(f"{x:7.2f}" for x in angles) + " P 1")
    for n, k in enumerate(order, 1):
        x, y, z = POSITIONS[k] * 10
        number = 1 + max(0, k - 3)
        start = f"HETATM{n:5d} {NAMES[k]:<4s} {RESIDUES[k]:<3s} A{number:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00"
        lines.append(f"{start:76s}{ELEMENTS[k]:>2s}")
    path.write_text("\n".join([*lines, "END"]) + "\n")


def cif(path, lengths, angles):
    cell = []
    if lengths is not None:
        cell = [f"_cell.length_{x} {value}" for x, value in zip("abc", lengths)]
        cell += [f"_cell.angle_{x} {value}" for x, value in zip(("alpha", "beta", "gamma"), angles)]
    fields = ["group_PDB", "id", "type_symbol", "label_atom_id", "label_comp_id", "label_asym_id", "label_seq_id"]
    fields += ["Cartn_x", "Cartn_y", "Cartn_z"]
    rows = []
    for k, (x, y, z) in enumerate(POSITIONS * 10):
        rows.append(f"HETATM {k + 1} {ELEMENTS[k]} {NAMES[k]} {RESIDUES[k]} A {1 + max(0, k - 3)} {x} {y} {z}")
    lines = ["data_chain", *cell, "#", "loop_", *(f"_atom_site.{field}" for field in fields), *rows, "#"]
    path.write_text("\n".join(lines) + "\n")


def gro(path, lengths, angles):
    from labkit.base.box import box_of_lengths

    rows = [f"{1 + max(0, k - 3):5d}{RESIDUES[k]:<5s}{NAMES[k]:>5s}{k + 1:5d}" for k in range(6)]
    rows = [row + "".join(f"{x:8.3f}" for x in POSITIONS[k]) for k, row in enumerate(rows)]
    box = np.zeros((3, 3))
    if lengths is not None and any(lengths):
        box = 0.1 * (np.diag(lengths) if set(angles) == {90} else box_of_lengths(lengths, angles))
    cells = box[[0, 1, 2, 0, 0, 1, 1, 2, 2], [0, 1, 2, 1, 2, 0, 2, 0, 1]]
    cells = cells[:3] if not cells[3:].any() and path.stem != "nine" else cells
    path.write_text("\n".join(["chain", "    6", *rows, "".join(f"{x:10.5f}" for x in cells)]) + "\n")


WRITERS = {".inpcrd": inpcrd, ".ncrst": restart, ".pdb": pdb, ".cif": cif, ".gro": gro}
NONE = {
    "none": None, "zeros": ((0, 0, 0), (90, 90, 90)), "zeros, no angles": ((0, 0, 0), (0, 0, 0)),
    "1 Å": ((1, 1, 1), (90, 90, 90)),
}  # fmt: skip


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("kind", NONE)
def test_no_box_is_an_open_system_in_all_files(tmp_path, suffix, kind):
    prmtop, _ = write_amber(tmp_path)
    where = tmp_path / f"x{suffix}"
    WRITERS[suffix](where, *(NONE[kind] or (None, None)))
    system = app.AmberPrmtopFile(str(prmtop)).createSystem()
    expected, _ = energies_and_forces(system, np.round(POSITIONS, 4))
    state, taken = load(prmtop, where)
    assert float(taken.forcefield.evaluate(state).energy) == pytest.approx(expected, rel=1e-6)
    assert taken.box is None and not state.system.pbc.any() and not state.cell.any()
    with pytest.raises(LabkitError, match="nonbondedMethod is CutoffPeriodic, but no file has a box; give cell="):
        load(prmtop, where, **PERIODIC)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("angles", [(90.0, 90.0, 90.0), ANGLES])
def test_a_box_is_the_same_in_all_files_and_as_cell(tmp_path, suffix, angles):
    prmtop, open_coordinates = write_amber(tmp_path)
    lengths = (21.0, 22.5, 24.0)
    WRITERS[suffix](tmp_path / f"x{suffix}", lengths, angles)
    state, taken = load(prmtop, tmp_path / f"x{suffix}", **PERIODIC)
    vectors = app.internal.unitcell.computePeriodicBoxVectors(*(0.1 * np.array(lengths)), *np.radians(angles))
    expected = np.array(vectors.value_in_unit(unit.nanometer)) * NANOMETRE
    np.testing.assert_allclose(taken.box.numpy(), expected, atol=1e-3)
    given, _ = load(prmtop, open_coordinates, cell=[*lengths, *angles], **PERIODIC)
    np.testing.assert_allclose(given.cell[0].numpy(), expected, atol=1e-6)
    made = app.AmberPrmtopFile(str(prmtop), periodicBoxVectors=vectors).createSystem(**PERIODIC)
    energy, _ = energies_and_forces(made, state.positions.numpy() / NANOMETRE)
    assert float(taken.forcefield.evaluate(state).energy) == pytest.approx(energy, rel=1e-4)


def test_flat_boxes_are_told_and_nine_zeros_are_none(tmp_path):
    prmtop, _ = write_amber(tmp_path)
    for suffix in (".inpcrd", ".ncrst", ".pdb"):
        WRITERS[suffix](tmp_path / f"flat{suffix}", (20, 20, 0), (90, 90, 90))
        with pytest.raises(LabkitError, match=f"flat{suffix}: lengths of 20, 20, 0 Å .* are no box"):
            load(prmtop, tmp_path / f"flat{suffix}")
    gro(tmp_path / "nine.gro", (0, 0, 0), (90, 90, 90))
    assert load(prmtop, tmp_path / "nine.gro")[1].box is None


def with_box(prmtop, box):
    """IFBOX 1 and BOX_DIMENSIONS."""
    text = prmtop.read_text()
    pointers = text.split("%FLAG POINTERS")[1].split("%FLAG")[0]
    values = pointers.split("\n", 2)[2].split()
    values[27] = "1"
    rows = ["".join(f"{int(v):8d}" for v in values[k : k + 10]) for k in range(0, len(values), 10)]
    text = text.replace(pointers, "\n".join(["", "%FORMAT(10I8)", *rows, ""]))
    numbers = "".join(f"{x:16.8E}" for x in (90.0, *box))
    prmtop.write_text(text + f"%FLAG BOX_DIMENSIONS\n%FORMAT(5E16.8)\n{numbers}\n")


def test_the_box_of_a_prmtop_counts_where_coordinates_have_none(tmp_path):
    prmtop, coordinates = write_amber(tmp_path)
    with_box(prmtop, (20, 21, 22))
    state, taken = load(prmtop, coordinates, **PERIODIC)
    assert state.cell[0].diagonal().tolist() == pytest.approx([20, 21, 22])
    assert any("chain.inpcrd has no box: that of" in note and "20, 21, 22 Å" in note for note in taken.notes)
    inpcrd(tmp_path / "own.inpcrd", (30, 31, 32), (90, 90, 90))
    state, taken = load(prmtop, tmp_path / "own.inpcrd", **PERIODIC)
    assert state.cell[0].diagonal().tolist() == pytest.approx([30, 31, 32]) and not any("box" in n for n in taken.notes)
    state, _ = load(prmtop, tmp_path / "own.inpcrd", cell=[40, 41, 42], **PERIODIC)
    assert state.cell[0].diagonal().tolist() == pytest.approx([40, 41, 42])
    assert load(prmtop, coordinates)[1].box is None  # without a cutoff nothing is periodic
    with pytest.raises(LabkitError, match="no file has a box"):
        load(prmtop, coordinates, cell=[0, 0, 0], **PERIODIC)


@pytest.mark.parametrize("box", [(0, 0, 0), (1, 1, 1)])
def test_a_prmtop_with_a_box_that_is_none(tmp_path, box):
    prmtop, coordinates = write_amber(tmp_path)
    with_box(prmtop, box)
    assert load(prmtop, coordinates)[1].box is None
    with pytest.raises(LabkitError, match="no file has a box"):
        load(prmtop, coordinates, **PERIODIC)


def test_a_psf_gets_a_box_and_masses(tmp_path):
    psf, crd, prm = write_charmm(tmp_path)
    state, taken = load(psf, crd, prm, cell=[25, 26, 27], **PERIODIC)
    assert state.cell[0].diagonal().tolist() == pytest.approx([25, 26, 27])
    text = psf.read_text()
    for mass in MASSES:
        text = text.replace(f"{mass:13.4f}", f"{0.0:13.4f}")
    psf.write_text(text)
    with pytest.raises(LabkitError, match="particle 0 has no mass"):
        load(psf, crd, prm)
    state, taken = load(psf, crd, prm, masses=MASSES)
    assert taken.masses.tolist() == pytest.approx(MASSES) and state.system.masses.tolist() == pytest.approx(MASSES)
    for masses in (MASSES[:-1], [-1.0, *MASSES[1:]]):
        with pytest.raises(LabkitError, match=r"masses of shape .*; expected \(6,\) positive numbers in u"):
            load(psf, crd, prm, masses=masses)


def test_coordinates_in_another_order(tmp_path):
    prmtop, _ = write_amber(tmp_path)
    pdb(tmp_path / "same.pdb", None, None)
    load(prmtop, tmp_path / "same.pdb")
    for order in ([1, 0, 2, 3, 4, 5], [0, 1, 3, 2, 4, 5], [0, 1, 2, 3, 5, 4], [4, 0, 1, 2, 3, 5]):
        pdb(tmp_path / "other.pdb", None, None, order)
        with pytest.raises(LabkitError, match=r"chain.prmtop and .*other.pdb have their atoms in another order: atom"):
            load(prmtop, tmp_path / "other.pdb")
    psf, crd, prm = write_charmm(tmp_path)
    rows = crd.read_text().splitlines()
    crd.write_text("\n".join([*rows[:3], rows[4], rows[3], *rows[5:]]) + "\n")
    with pytest.raises(LabkitError, match="chain.psf and .*chain.crd have their atoms in another order: atom 0 is C1"):
        load(psf, crd, prm)
    top, where = write_gromacs(tmp_path)
    rows = where.read_text().splitlines()
    where.write_text("\n".join([*rows[:2], rows[2], rows[4], rows[3], *rows[5:]]) + "\n")
    with pytest.raises(
        LabkitError, match="chains.top and .*chains.gro have their atoms in another order: atom 1 is C2"
    ):
        load(top, where)


@pytest.mark.parametrize("name", ["LP1", "OM", "D1", "LPX", "DUM", "H1"])
def test_names_of_atoms_in_a_psf_mean_nothing(tmp_path, name):
    psf, crd, prm = write_charmm(tmp_path)
    expected, taken = load(psf, crd, prm)
    for path in (psf, crd):
        path.write_text(path.read_text().replace(" C2 ", f" {name:<3s}" if len(name) > 2 else f" {name} "))
    state, found = load(psf, crd, prm)
    assert float(found.forcefield.evaluate(state).energy) == pytest.approx(
        float(taken.forcefield.evaluate(expected).energy), rel=1e-9
    )
    assert found.forcefield.terms["bonds"].atoms.tolist() == [[0, 1], [1, 2], [2, 3]]


def test_atoms_that_share_their_names(tmp_path):
    """OpenMM's reader of PDB files takes the first of them."""
    psf, crd, prm = write_charmm(tmp_path)
    expected, taken = load(psf, crd, prm)
    pdb(tmp_path / "x.pdb", (30, 31, 32), (90, 90, 90))
    for path in (psf, tmp_path / "x.pdb"):
        text = path.read_text()
        for name in ("C1", "C2", "C3"):
            text = text.replace(f" {name} ", " C  ")
        path.write_text(text)
    state, found = load(psf, tmp_path / "x.pdb", prm, **PERIODIC)
    np.testing.assert_allclose(state.positions.numpy(), expected.positions.numpy(), atol=1e-3)
    assert state.cell[0].diagonal().tolist() == pytest.approx([30, 31, 32])
    assert found.forcefield.terms["bonds"].atoms.tolist() == taken.forcefield.terms["bonds"].atoms.tolist()
    with pytest.raises(LabkitError, match="x.pdb: XML files find atoms by their names"):
        load(tmp_path / "x.pdb", "amber14-all.xml")


def test_types_that_differ_by_case_alone(tmp_path):
    psf, crd, prm = write_charmm(tmp_path)
    psf.write_text(psf.read_text().replace(" OX ", " ct "))
    with pytest.raises(LabkitError, match="chain.psf: types CT and ct differ by case alone"):
        load(psf, crd, prm)


def lennard_jones(mean, pairs, sizes):
    """kcal/mol of pairs (R/2, ε) with a mean of R/2."""
    total = 0.0
    for i, j in pairs:
        (r1, e1), (r2, e2) = sizes[i], sizes[j]
        x = (2 * mean(r1, r2) / np.linalg.norm(10 * (POSITIONS[i] - POSITIONS[j]))) ** 6
        total += np.sqrt(e1 * e2) * (x * x - 2 * x)
    return total


@pytest.mark.parametrize("header", ["vswitch", "vatom geom vdistance", "vatom GEOM -\n vdistance", "! geom"])
def test_geometric_mixing_of_charmm(tmp_path, header):
    """GEOM in the line NONBONDED, as parameters of OPLS have it: σ is the geometric mean, of 1-4 pairs too."""
    psf, crd, prm = write_charmm(tmp_path)
    prm.write_text(prm.read_text().replace("NONBONDED nbxmod 5 atom", f"NONBONDED nbxmod 5 atom {header} -\n"))
    state, taken = load(psf, crd, prm)
    geometric = "GEOM" in header.upper().split("!")[0]
    sizes = [RMIN[kind] for kind in TYPES]
    mean = (lambda a, b: np.sqrt(a * b)) if geometric else (lambda a, b: 0.5 * (a + b))
    near = {(0, 1), (1, 2), (2, 3), (0, 2), (1, 3), (0, 3)}
    far = [(i, j) for i in range(6) for j in range(i + 1, 6) if (i, j) not in near]
    found = {name: float(term.evaluate(state).energy) / KCAL_PER_MOL for name, term in taken.forcefield.terms.items()}
    pairs = found["nbfix" if geometric else "lennard_jones"]
    assert pairs == pytest.approx(lennard_jones(mean, far, sizes), rel=1e-6)
    own = [(1.9, 0.01) if kind == "CT" else RMIN[kind] for kind in TYPES]  # of 1-4 pairs
    charges = COULOMB / KCAL_PER_MOL * CHARGES[0] * CHARGES[3] / np.linalg.norm(10 * (POSITIONS[0] - POSITIONS[3]))
    assert found["pairs14"] - charges == pytest.approx(lennard_jones(mean, [(0, 3)], own), rel=1e-5)


@pytest.mark.parametrize("factor", [1.5, 2.0, 3.0])
def test_elements_of_repartitioned_masses(tmp_path, factor):
    """A GROMACS topology has masses alone: methanol."""
    bonds, names = [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5)], ["C1", "H1", "H2", "H3", "O1", "HO"]
    masses = np.array([12.011, 1.008, 1.008, 1.008, 15.999, 1.008])
    for i, j in bonds:
        if names[j].startswith("H"):
            masses[i] -= (factor - 1) * 1.008
            masses[j] += (factor - 1) * 1.008
    atoms = "".join(f"{k + 1} X 1 MOL {n} 1 0.0 {m}\n" for k, (n, m) in enumerate(zip(names, masses)))
    rows = "".join(f"{i + 1} {j + 1} 1 0.11 2e5\n" for i, j in bonds)
    (tmp_path / "m.top").write_text(
        "[ defaults ]\n1 2 yes 0.5 0.5\n[ atomtypes ]\nX 12.0 0.0 A 0.3 0.3\n[ moleculetype ]\nMOL 3\n"
        f"[ atoms ]\n{atoms}[ bonds ]\n{rows}[ system ]\nx\n[ molecules ]\nMOL 1\n"
    )
    lines = [f"    1MOL  {n:>5s}{k + 1:5d}{0.1 * k:8.3f}{0.05 * k:8.3f}{0.0:8.3f}" for k, n in enumerate(names)]
    (tmp_path / "m.gro").write_text("\n".join(["m", "6", *lines, "0 0 0"]) + "\n")
    state, _ = load(tmp_path / "m.top", tmp_path / "m.gro")
    assert state.system.numbers.tolist() == [6, 1, 1, 1, 8, 1]
