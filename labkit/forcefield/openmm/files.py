"""A system from AMBER, CHARMM or GROMACS files, or a PDB file with OpenMM's XML, in one call."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from labkit.base import State
from labkit.errors import LabkitError, suggest
from labkit.forcefield.openmm.file_errors import naming, psf_types, top_types, xml_types
from labkit.forcefield.openmm.reader import Imported, import_openmm
from labkit.forcefield.openmm.state import state_from_openmm

TOPOLOGIES = {".prmtop": "AMBER", ".parm7": "AMBER", ".psf": "CHARMM", ".top": "GROMACS"}
COORDINATES = {
    ".inpcrd": "AmberInpcrdFile", ".rst7": "AmberInpcrdFile", ".gro": "GromacsGroFile", ".pdb": "PDBFile",
    ".cif": "PDBxFile", ".crd": "CharmmCrdFile",
}  # fmt: skip
PARAMETERS = (".prm", ".par", ".rtf", ".str", ".xml")
KNOWN = (*TOPOLOGIES, *COORDINATES, *PARAMETERS)


def load(*files: str | Path, seed: int = 0, **options: Any) -> tuple[State, Imported]:
    """The state, and the force field with masses and constraints, from files that OpenMM reads.

    load("ala.prmtop", "ala.inpcrd"); load("ala.psf", "ala.pdb", "par.prm", "top.rtf"); load("mol.top", "mol.gro");
    load("protein.pdb", "amber14-all.xml", "implicit/gbn2.xml") with your XML files or OpenMM's.
    `options` are those of OpenMM's createSystem (nonbondedMethod=app.PME, constraints=app.HBonds, rigidWater=False,
    hydrogenMass=3 * unit.dalton, ...).

    By default OpenMM's water is rigid, without bonds: give the integrator the `imported.constraints`.

        state, imported = load("water.pdb", "amber14/tip3p.xml", nonbondedMethod=app.PME)
        rigid = Constraints(*imported.constraints)
        simulate(state, imported.forcefield, CellRescaling(300.0, 1e-4, constraints=rigid), 1000, 2.0)

    Raises LabkitError, naming the file, for an unknown type of file, a missing one, missing parameters (with the
    atoms of the type, if the file has types), and coordinates of a different number of atoms.
    """
    try:
        from openmm import app
    except ImportError as error:
        raise LabkitError('OpenMM is not installed; run: pip install "labkit[forcefield]"') from error
    found = {str(file): Path(file).suffix.lower() for file in files}
    for file, suffix in found.items():
        if suffix not in KNOWN:
            raise LabkitError(
                f"{file}: unknown file type {suffix!r}{suggest(suffix, KNOWN)}; known: {', '.join(KNOWN)}"
            )
        if suffix != ".xml" and not Path(file).is_file():  # names of XML files may be OpenMM's own
            raise LabkitError(f"{file}: there is no such file; give its path")
    where = _only(found, COORDINATES, "coordinates")
    coordinates = naming(where, lambda: getattr(app, COORDINATES[found[where]])(where))
    box = _box(coordinates)
    parameters = [file for file, suffix in found.items() if suffix in PARAMETERS]
    if ".xml" in found.values():
        system, topology = _by_residues(app, where, coordinates.topology, parameters, options)
    else:
        what = _only(found, TOPOLOGIES, "topology")
        system, topology = _by_topology(app, TOPOLOGIES[found[what]], what, box, parameters, options)
    for atom in topology.atoms():
        if atom.element is None:  # GROMACS and CHARMM files have masses, but no elements
            atom.element = app.Element.getByMass(system.getParticleMass(atom.index))
    if box is not None:
        system.setDefaultPeriodicBoxVectors(*box)
    try:
        return state_from_openmm(topology, coordinates.positions, system, seed), import_openmm(system)
    except LabkitError as error:
        raise LabkitError(f"{', '.join(found)}: {error}") from error


def _by_residues(app: Any, where: str, topology: Any, parameters: list[str], options: dict[str, Any]) -> Any:
    """The System from XML files for the residues of a PDB file."""
    made = naming(", ".join(parameters), lambda: app.ForceField(*parameters))
    system = naming(where, lambda: made.createSystem(topology, **options), partial(xml_types, made, topology))
    return system, topology


def _by_topology(app: Any, kind: str, what: str, box: Any, parameters: list[str], options: dict[str, Any]) -> Any:
    """The System of a file that names the type of each atom."""
    opened = {"AMBER": app.AmberPrmtopFile, "CHARMM": app.CharmmPsfFile, "GROMACS": app.GromacsTopFile}[kind]
    types = partial(top_types, what) if kind == "GROMACS" else list
    made = naming(what, lambda: opened(what, periodicBoxVectors=box), types)
    extra = ()
    if kind == "CHARMM":
        types = partial(psf_types, made)
        extra = (naming(", ".join(parameters) or what, lambda: app.CharmmParameterSet(*parameters), types),)
    return naming(what, lambda: made.createSystem(*extra, **options), types), made.topology


def _only(found: dict[str, str], kinds: dict[str, str], what: str) -> str:
    mine = [file for file, suffix in found.items() if suffix in kinds]
    if len(mine) != 1:
        options = ", ".join(kinds) + (", or XML files of a force field beside a .pdb" if kinds is TOPOLOGIES else "")
        raise LabkitError(f"{len(mine)} files of {what} among {', '.join(found) or 'no files'}; give one of {options}")
    return mine[0]


def _box(coordinates: Any) -> Any:
    if hasattr(coordinates, "topology"):
        return coordinates.topology.getPeriodicBoxVectors()
    if hasattr(coordinates, "getPeriodicBoxVectors"):
        return coordinates.getPeriodicBoxVectors()
    return getattr(coordinates, "boxVectors", None)
