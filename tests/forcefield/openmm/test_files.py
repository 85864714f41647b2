"""Files of all programs come in with the energies and forces of OpenMM's Reference platform; bad ones are told."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.errors import LabkitError

openmm = pytest.importorskip("openmm")

from forcefield import systems  # noqa: E402
from forcefield.compare import energies_and_forces  # noqa: E402
from forcefield.files import POSITIONS, write_amber, write_charmm, write_gromacs  # noqa: E402
from openmm import app, unit  # noqa: E402

from labkit.forcefield import load  # noqa: E402
from labkit.units import KCAL_PER_MOL  # noqa: E402

NM = unit.nanometer
CUTOFF = dict(nonbondedMethod=app.CutoffNonPeriodic, nonbondedCutoff=0.5 * NM)


def same(files, options, system, positions, terms):
    """`load` gives the energy and forces that OpenMM has for a System that it read by itself."""
    state, taken = load(*files, **options)
    np.testing.assert_allclose(state.positions.numpy(), positions * 10, atol=1e-9)
    energy, forces = energies_and_forces(system, positions)
    found = taken.forcefield.evaluate(state)
    assert abs(float(found.energy) - energy) <= max(1e-6 * abs(energy), 1e-5 * KCAL_PER_MOL)
    assert np.sqrt(np.mean((found.forces.numpy() - forces) ** 2)) <= 1e-5 * np.sqrt(np.mean(forces**2))
    assert terms <= set(taken.forcefield.terms)
    return state, taken


@pytest.mark.parametrize(
    ("nbfix", "options", "terms"),
    [
        (False, {}, {"bonds", "angles", "torsions", "lennard_jones", "coulomb", "pairs14"}),
        (True, {}, {"nbfix", "coulomb", "pairs14"}),
        (True, CUTOFF, {"nbfix", "coulomb"}),
        *((False, {"implicitSolvent": model}, {"implicit_solvent"})
          for model in (app.HCT, app.OBC1, app.OBC2, app.GBn, app.GBn2)),
        (False, {"implicitSolvent": app.OBC2, "implicitSolventSaltConc": 0.1, **CUTOFF}, {"implicit_solvent"}),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Non-optimal GB parameters")
def test_amber(tmp_path, nbfix, options, terms):
    files = write_amber(tmp_path, nbfix)
    system = app.AmberPrmtopFile(str(files[0])).createSystem(**options)
    state, _ = same(files, options, system, POSITIONS, terms)
    assert state.system.numbers.tolist() == [6, 6, 6, 8, 11, 17]


@pytest.mark.parametrize("options", [{}, CUTOFF, {**CUTOFF, "switchDistance": 0.4 * NM}, {"implicitSolvent": app.OBC2}])
@pytest.mark.parametrize("nbfix", [False, True])
def test_charmm(tmp_path, nbfix, options):
    psf, crd, prm = write_charmm(tmp_path, nbfix)
    system = app.CharmmPsfFile(str(psf)).createSystem(app.CharmmParameterSet(str(prm)), **options)
    terms = {"bonds", "urey_bradley", "angles", "torsions", "impropers", "coulomb", "pairs14"}
    same((psf, crd, prm), options, system, POSITIONS, terms | {"nbfix" if nbfix else "lennard_jones"})


@pytest.mark.parametrize("method", [app.NoCutoff, app.CutoffPeriodic, app.PME])
def test_gromacs(tmp_path, method):
    top, gro = write_gromacs(tmp_path)
    coordinates = app.GromacsGroFile(str(gro))
    options = dict(nonbondedMethod=method, nonbondedCutoff=1.0 * NM, ewaldErrorTolerance=systems.TOLERANCE)
    read = app.GromacsTopFile(str(top), periodicBoxVectors=coordinates.getPeriodicBoxVectors())
    terms = {"bonds", "urey_bradley", "angles", "rb_torsions", "impropers", "pairs14", "lennard_jones"}
    state, taken = same((top, gro), options, read.createSystem(**options), systems.places(coordinates.positions), terms)
    assert state.system.numbers.tolist() == [6, 6, 6, 8] * 2
    if method is not app.NoCutoff:
        np.testing.assert_allclose(taken.box.diagonal(), [25, 26, 27])


def test_pdb_and_xml(tmp_path):
    topology, positions = systems.dipeptide()
    with (tmp_path / "ala.pdb").open("w") as file:
        app.PDBFile.writeFile(topology, positions * NM, file)
    pdb = app.PDBFile(str(tmp_path / "ala.pdb"))
    files = ("amber14-all.xml", "implicit/gbn2.xml")
    options = {"constraints": app.HBonds}
    system = app.ForceField(*files).createSystem(pdb.topology, **options)
    _, taken = same(
        (tmp_path / "ala.pdb", *files), options, system, systems.places(pdb.positions), {"implicit_solvent"}
    )
    assert len(taken.constraint_atoms) == 12


def edited(path, old, new):
    """The file with one place changed."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def no_atom_type(folder):
    psf, crd, prm = write_charmm(folder)
    edited(prm, "MASS  -1  OX  15.999\n", "")
    return psf, crd, prm


def no_bond_type(folder):
    psf, crd, prm = write_charmm(folder)
    edited(prm, "CT OX 428.0 1.42\n", "")
    return psf, crd, prm


def no_gromacs_type(folder):
    top, gro = write_gromacs(folder)
    edited(top, "OX 15.999 0.0 A 0.30 0.71\n", "")
    return top, gro


def no_residue(folder):
    (folder / "one.pdb").write_text("HETATM    1  C1  UNK A   1       0.000   0.000   0.000  1.00  0.00           C\n")
    return folder / "one.pdb", "amber14-all.xml"


def no_xml_type(folder):
    (folder / "salt.pdb").write_text("HETATM    1 CL    CL A   1       0.000   0.000   0.000  1.00  0.00          CL\n")
    (folder / "salt.xml").write_text(
        systems.SALT.format("").replace('<Atom type="cl" charge="-1" sigma="1" epsilon="0"/>', "")
    )
    return folder / "salt.pdb", folder / "salt.xml"


def fewer_coordinates(folder):
    return write_amber(folder)[0], write_gromacs(folder)[1]


def nothing_there(folder):
    return write_amber(folder)[0], folder / "none.inpcrd"


def unknown_type(folder):
    (folder / "chain.pdbx").write_text("")
    return write_amber(folder)[0], folder / "chain.pdbx"


BAD = {
    no_atom_type: r"par_chain.prm: OpenMM cannot use it: Atom type OX not present.*; atoms of type OX: 3 O4$",
    no_bond_type: r"chain.psf: OpenMM cannot use it: .*[Mm]issing bond type.*",
    no_gromacs_type: r"chains.top: OpenMM cannot use it: there is no entry for 'OX'; atoms of type OX: 4 O4$",
    no_residue: r"one.pdb: OpenMM cannot use it: No template found for residue 0 .UNK.",
    no_xml_type: r"salt.pdb: OpenMM cannot use it: .*No parameters defined for atom type cl; atoms of type cl: 0 CL$",
    fewer_coordinates: r"chain.prmtop, .*chains.gro: 6 atoms in the topology, 8 positions and 6 particles",
    nothing_there: r"none.inpcrd: there is no such file",
    unknown_type: r"chain.pdbx: unknown file type '.pdbx'; did you mean '.pdb'.; known: .prmtop, .parm7, .psf, .top",
    lambda folder: write_amber(folder)[:1]: r"0 files of coordinates among .*chain.prmtop; give one of .inpcrd",
    lambda folder: write_charmm(folder)[1:]: r"0 files of topology among .*; give one of .prmtop.*, or XML files",
    lambda folder: (): r"0 files of coordinates among no files",
}


@pytest.mark.parametrize("make", BAD)
def test_bad_files_are_told(tmp_path, make):
    with pytest.raises(LabkitError, match=BAD[make]):
        load(*make(tmp_path))
