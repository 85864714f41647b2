"""Systems that tests compare with OpenMM: functions that give (openmm.System, topology, positions in nm)."""

from __future__ import annotations

from functools import cache
from io import StringIO
from pathlib import Path

import numpy as np
import openmm
from forcefield.ligand import ligand
from forcefield.peptide import one_residue, peptide
from openmm import app, unit

NM = unit.nanometer
#: Both Ewald sums converged, so that two codes with different meshes agree.
TOLERANCE = 2e-7

__all__ = ["ligand"]

Built = tuple[openmm.System, app.Topology, np.ndarray]


def atoms(elements: str | list[str], positions: list) -> Built:
    """Atoms without forces; a residue of their own."""
    topology, system = app.Topology(), openmm.System()
    residue = topology.addResidue("MOL", topology.addChain())
    for number, symbol in enumerate(elements):
        element = app.Element.getBySymbol(symbol)
        topology.addAtom(f"{symbol}{number}", element, residue)
        system.addParticle(element.mass)
    return system, topology, np.array(positions, dtype=float)


def single_bond() -> Built:
    system, topology, positions = atoms("CO", [[0, 0, 0], [0.09, 0.05, 0.08]])
    force = openmm.HarmonicBondForce()
    force.addBond(0, 1, 0.1229, 476976.0)
    system.addForce(force)
    return system, topology, positions


def single_angle() -> Built:
    system, topology, positions = atoms("HOH", [[0.1, 0, 0], [0, 0, 0], [-0.01, 0.09, 0.02]])
    force = openmm.HarmonicAngleForce()
    force.addAngle(0, 1, 2, 1.82, 836.8)
    system.addForce(force)
    return system, topology, positions


TWISTED = [[0.1, 0.02, 0], [0, 0, 0], [0, 0.01, 0.15], [0.05, 0.11, 0.21]]


def proper_torsions() -> Built:
    system, topology, positions = atoms("CCCC", TWISTED)
    force = openmm.PeriodicTorsionForce()
    for n, phase, k in ((1, 0.0, 3.1), (2, np.pi, 1.2), (3, 0.0, 0.7), (4, 0.3, 0.4)):
        force.addTorsion(0, 1, 2, 3, n, phase, k)
    system.addForce(force)
    return system, topology, positions


def ryckaert_bellemans() -> Built:
    system, topology, positions = atoms("CCCC", TWISTED)
    force = openmm.RBTorsionForce()
    force.addTorsion(0, 1, 2, 3, 9.28, 12.16, -13.12, -3.06, 26.24, -31.5)
    system.addForce(force)
    return system, topology, positions


def improper(expression: str = "k*min(d, 6.283185307179586-d)^2; d=abs(theta-theta0)") -> Built:
    """CHARMM's harmonic improper, one of them folded over π."""
    system, topology, positions = atoms("CNCO", TWISTED)
    force = openmm.CustomTorsionForce(expression)
    force.addPerTorsionParameter("k")
    force.addPerTorsionParameter("theta0")
    force.addTorsion(0, 1, 2, 3, [334.72, 0.0])
    force.addTorsion(0, 2, 1, 3, [120.0, 3.0])
    force.addTorsion(3, 1, 0, 2, [120.0, -3.0])
    system.addForce(force)
    return system, topology, positions


def pair14() -> Built:
    """The scaled pair, the one that is off, and ordinary ones."""
    system, topology, positions = atoms("CCCC", TWISTED)
    force = openmm.NonbondedForce()
    for q in (0.1, -0.3, 0.25, -0.05):
        force.addParticle(q, 0.34, 0.45)
    force.addException(0, 1, 0.0, 1.0, 0.0)
    force.addException(0, 3, -0.005 / 1.2, 0.33, 0.225)
    force.addException(1, 3, 0.0, 0.3, 0.1)
    system.addForce(force)
    return system, topology, positions


def ions() -> Built:
    """Na+ and Cl- in vacuum."""
    system, topology, positions = atoms(["Na", "Cl", "Na"], [[0, 0, 0], [0.26, 0.05, 0.02], [0.5, 0.3, -0.2]])
    force = openmm.NonbondedForce()
    for q, sigma, epsilon in ((1, 0.2439, 0.3658), (-1, 0.4478, 0.1489), (1, 0.2439, 0.3658)):
        force.addParticle(q, sigma, epsilon)
    system.addForce(force)
    return system, topology, positions


def water_positions(count: int) -> tuple[app.Topology, np.ndarray]:
    """Waters on a loose row of places, each turned its own way."""
    rng, topology, places = np.random.default_rng(3), app.Topology(), []
    chain = topology.addChain()
    for number in range(count):
        residue = topology.addResidue("HOH", chain)
        o, h1, h2 = (topology.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in ("O", "H1", "H2"))
        topology.addBond(o, h1)
        topology.addBond(o, h2)
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        shape = np.array([[0, 0, 0], [0.0957, 0, 0], [-0.024, 0.0927, 0]]) + rng.normal(scale=0.004, size=(3, 3))
        places.append(shape @ turn + [0.29 * number, 0, 0])
    return topology, np.concatenate(places)


def waters(count: int) -> Built:
    """Flexible TIP3P-FB molecules in vacuum."""
    topology, positions = water_positions(count)
    system = app.ForceField("amber14/tip3pfb.xml").createSystem(topology, rigidWater=False)
    return system, topology, positions


def water_box(count: int, method: str = "rf", switch: bool = False) -> Built:
    """A cubic box of flexible water with reaction field or PME, and its dispersion correction."""
    topology, positions = solvent(count)
    return (*_boxed(("amber14/tip3pfb.xml",), topology, method, switch), positions)


@cache
def solvent(count: int) -> tuple[app.Topology, np.ndarray]:
    modeller = app.Modeller(app.Topology(), [] * NM)
    modeller.addSolvent(app.ForceField("amber14/tip3pfb.xml"), numAdded=count, neutralize=False)
    return modeller.topology, places(modeller.positions)


def triclinic_water(method: str = "pme") -> Built:
    """Water in a skewed box.

    Not a truncated octahedron: there the Reference platform (8.6.1) misses pairs, and the energy changes by 1e-3 of
    itself when all atoms are moved together; its CPU platform agrees with labkit.
    """
    modeller = app.Modeller(app.Topology(), [] * NM)
    vectors = [openmm.Vec3(1.9, 0, 0), openmm.Vec3(0.5, 1.8, 0), openmm.Vec3(-0.4, 0.6, 1.7)] * NM
    modeller.addSolvent(app.ForceField("amber14/tip3pfb.xml"), boxVectors=vectors, neutralize=False)
    topology, positions = modeller.topology, places(modeller.positions)
    return (*_boxed(("amber14/tip3pfb.xml",), topology, method), positions)


def alanine_dipeptide(*files: str, **options: object) -> Built:
    """ACE-ALA-NME in vacuum."""
    topology, positions = dipeptide()
    system = app.ForceField(*(files or ("amber14-all.xml",))).createSystem(topology, **options)
    return system, topology, positions


@cache
def dipeptide() -> tuple[app.Topology, np.ndarray]:
    return peptide(1)


def charmm_dipeptide() -> Built:
    """With CMAP, Urey-Bradley terms, harmonic impropers and Lennard-Jones by pairs of types."""
    topology, positions = dipeptide()
    topology = one_residue(topology)
    (residue,) = topology.residues()
    forcefield = app.ForceField("charmm36.xml")
    return forcefield.createSystem(topology, residueTemplates={residue: "ALAD"}), topology, positions


def cmap() -> Built:
    """An uneven map, seen from several angles."""
    rng = np.random.default_rng(5)
    system, topology, positions = atoms("CNCCN" * 2, rng.normal(scale=0.15, size=(10, 3)).tolist())
    force = openmm.CMAPTorsionForce()
    for size in (24, 12):
        force.addMap(size, rng.normal(scale=3.0, size=size * size).tolist())
    for row in ((0, 0, 1, 2, 3, 1, 2, 3, 4), (1, 5, 6, 7, 8, 6, 7, 8, 9), (0, 2, 3, 4, 5, 3, 4, 5, 6)):
        force.addTorsion(*row)
    system.addForce(force)
    return system, topology, positions


def helix(alanines: int = 50) -> Built:
    """A helix of more than 500 atoms in vacuum."""
    topology, positions = peptide(alanines)
    return app.ForceField("amber14-all.xml").createSystem(topology), topology, positions


def solvated_dipeptide(method: str = "pme") -> Built:
    topology, positions = dipeptide()
    modeller = app.Modeller(topology, positions * NM)
    files = ("amber14-all.xml", "amber14/tip3pfb.xml")
    modeller.addSolvent(app.ForceField(*files), padding=0.7 * NM)
    system, topology = _boxed(files, modeller.topology, method)
    return system, topology, places(modeller.positions)


def implicit_dipeptide(model: str, **options: object) -> Built:
    """Alanine dipeptide in an implicit solvent of OpenMM's app: hct, obc1, obc2, gbn, gbn2."""
    return alanine_dipeptide("amber14-all.xml", f"implicit/{model}.xml", **options)


def implicit_protein() -> Built:
    """The protein of `protein` (with sulphur, charged groups) in GBn2, without water."""
    modeller = villin()
    system = app.ForceField("amber14-all.xml", "implicit/gbn2.xml").createSystem(modeller.topology)
    return system, modeller.topology, places(modeller.positions)


SALT = """<ForceField><AtomTypes>
<Type name="na" class="na" element="Na" mass="22.99"/><Type name="cl" class="cl" element="Cl" mass="35.45"/>
</AtomTypes><Residues><Residue name="NA"><Atom name="NA" type="na"/></Residue>
<Residue name="CL"><Atom name="CL" type="cl"/></Residue></Residues>
<NonbondedForce coulomb14scale="1" lj14scale="1"><Atom type="na" charge="1" sigma="1" epsilon="0"/>
<Atom type="cl" charge="-1" sigma="1" epsilon="0"/></NonbondedForce>
<LennardJonesForce lj14scale="1"><Atom type="na" sigma="0.2513" epsilon="0.1962"/>
<Atom type="cl" sigma="0.4045" epsilon="0.6276"/>{}</LennardJonesForce></ForceField>"""


def salt(pair: str = '<NBFixPair type1="na" type2="cl" sigma="0.3327" epsilon="0.3510"/>', **options: object) -> Built:
    """Molten NaCl, 32 pairs in a cube of 1.9 nm, with CHARMM's NBFIX: a pair of types with parameters of its own."""
    topology, rng = app.Topology(), np.random.default_rng(4)
    for number in range(64):
        name = ("NA", "CL")[sum(divmod(number, 4) + (number // 16,)) % 2]
        residue = topology.addResidue(name, topology.addChain())
        topology.addAtom(name, app.Element.getBySymbol(name.title()), residue)
    grid = 0.475 * np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(-1, 3)
    topology.setPeriodicBoxVectors(np.eye(3) * 1.9 * NM)
    system = app.ForceField(StringIO(SALT.format(pair))).createSystem(topology, **options)
    return system, topology, grid + rng.normal(scale=0.03, size=grid.shape)


def periodic_salt(switch: bool = True) -> Built:
    """With a cutoff, and the long-range correction that OpenMM's XML has by default."""
    options = {"switchDistance": 0.7 * NM} if switch else {}
    return salt(nonbondedMethod=app.CutoffPeriodic, nonbondedCutoff=0.9 * NM, **options)


def protein(method: str = "pme") -> Built:
    """The 35 residues of villin that come with OpenMM (582 atoms), in a thin shell of their water."""
    modeller, files = villin(), ("amber14-all.xml", "amber14/tip3pfb.xml")
    modeller.addSolvent(app.ForceField(*files), padding=0.2 * NM)
    system, topology = _boxed(files, modeller.topology, method)
    return system, topology, places(modeller.positions)


def villin() -> app.Modeller:
    pdb = app.PDBFile(str(Path(app.__file__).parent / "data" / "test.pdb"))
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.delete([r for r in modeller.topology.residues() if r.name in ("HOH", "Cl", "CL")])
    return modeller


def _boxed(
    files: tuple[str, ...], topology: app.Topology, method: str, switch: bool = False
) -> tuple[openmm.System, app.Topology]:
    how = {"rf": app.CutoffPeriodic, "pme": app.PME}[method]
    shortest = min(np.diagonal(box(topology)))
    cutoff = min(0.9, 0.49 * shortest)
    system = app.ForceField(*files).createSystem(
        topology,
        nonbondedMethod=how,
        nonbondedCutoff=cutoff * NM,
        rigidWater=False,
        ewaldErrorTolerance=TOLERANCE,
        **({"switchDistance": 0.8 * cutoff * NM} if switch else {}),
    )
    return system, topology


def box(topology: app.Topology) -> np.ndarray:
    return np.array(topology.getPeriodicBoxVectors().value_in_unit(NM))


def places(positions: unit.Quantity) -> np.ndarray:
    return np.array(positions.value_in_unit(NM))
