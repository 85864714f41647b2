"""A system from files of AMBER, CHARMM, GROMACS, or a PDB file with OpenMM's XML, in one call."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labkit.base import State
from labkit.errors import LabkitError, suggest
from labkit.forcefield.from_openmm import Imported, import_openmm
from labkit.forcefield.openmm_state import state_from_openmm

TOPOLOGIES = {".prmtop": "AMBER", ".parm7": "AMBER", ".psf": "CHARMM", ".top": "GROMACS"}
COORDINATES = {
    ".inpcrd": "AmberInpcrdFile", ".rst7": "AmberInpcrdFile", ".gro": "GromacsGroFile", ".pdb": "PDBFile",
    ".cif": "PDBxFile", ".crd": "CharmmCrdFile",
}  # fmt: skip
PARAMETERS = (".prm", ".par", ".rtf", ".str", ".xml")
KNOWN = (*TOPOLOGIES, *COORDINATES, *PARAMETERS)

Atoms = list[tuple[int, str]]  # number and type


def load(*files: str | Path, seed: int = 0, **options: Any) -> tuple[State, Imported]:
    """The state and the force field, masses, constraints that files describe, by way of OpenMM.

    load("ala.prmtop", "ala.inpcrd"); load("ala.psf", "ala.pdb", "par.prm", "top.rtf"); load("mol.top", "mol.gro");
    load("protein.pdb", "amber14-all.xml", "implicit/gbn2.xml") with own XML files or those that come with OpenMM.
    `options` are those of OpenMM's createSystem (nonbondedMethod=app.PME, constraints=app.HBonds, ...).

    Raises LabkitError, naming the file, for an unknown type of file, a missing one, parameters that are missing (with
    the atoms of the type, where the file has types), and coordinates of another number of atoms.
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
    coordinates = _told(where, lambda: getattr(app, COORDINATES[found[where]])(where))
    box = _box(coordinates)
    parameters = [file for file, suffix in found.items() if suffix in PARAMETERS]
    if ".xml" in found.values():
        topology = coordinates.topology
        made = _told(", ".join(parameters), lambda: app.ForceField(*parameters))
        system = _told(where, lambda: made.createSystem(topology, **options), lambda: _xml_types(made, topology))
    else:
        what = _only(found, TOPOLOGIES, "topology")
        opened, types_of = {
            "AMBER": (app.AmberPrmtopFile, lambda: []),
            "CHARMM": (app.CharmmPsfFile, lambda: [(atom.idx, atom.attype) for atom in made.atom_list]),
            "GROMACS": (app.GromacsTopFile, lambda: _gromacs_types(made)),
        }[TOPOLOGIES[found[what]]]
        made = _told(what, lambda: opened(what, periodicBoxVectors=box))
        topology = made.topology
        extra = [_told(", ".join(parameters), lambda: app.CharmmParameterSet(*parameters))] if parameters else []
        system = _told(what, lambda: made.createSystem(*extra, **options), types_of)
    for atom in topology.atoms():
        if atom.element is None:  # GROMACS and CHARMM files have masses, but no elements
            atom.element = app.Element.getByMass(system.getParticleMass(atom.index))
    if box is not None:
        system.setDefaultPeriodicBoxVectors(*box)
    try:
        return state_from_openmm(topology, coordinates.positions, system, seed), import_openmm(system)
    except LabkitError as error:
        raise LabkitError(f"{', '.join(found)}: {error}") from error


def _only(found: dict[str, str], kinds: dict[str, str], what: str) -> str:
    mine = [file for file, suffix in found.items() if suffix in kinds]
    if len(mine) != 1:
        raise LabkitError(
            f"{len(mine)} files of {what} among {', '.join(found) or 'no files'}; give one of {', '.join(kinds)}"
        )
    return mine[0]


def _box(coordinates: Any) -> Any:
    if hasattr(coordinates, "topology"):
        return coordinates.topology.getPeriodicBoxVectors()
    for get in ("getBoxVectors", "getPeriodicBoxVectors"):
        if hasattr(coordinates, get):
            return getattr(coordinates, get)()
    return None


def _xml_types(forcefield: Any, topology: Any) -> Atoms:
    kinds = {}
    for residue, template in zip(topology.residues(), forcefield.getMatchingTemplates(topology), strict=True):
        named = {atom.name: atom.type for atom in template.atoms}
        kinds |= {atom.index: named.get(atom.name, "") for atom in residue.atoms()}
    return sorted(kinds.items())


def _gromacs_types(top: Any) -> Atoms:
    kinds = [fields[1] for name, count in top._molecules for fields in top._moleculeTypes[name].atoms * count]
    return list(enumerate(kinds))


def _told(file: str, make: Callable[[], Any], types: Callable[[], Atoms] = list) -> Any:
    """What `make` gives; what it says when it fails, with the name of the file and the atoms of types it names."""
    try:
        return make()
    except Exception as error:
        root: BaseException = error
        while root.__context__ is not None:  # OpenMM wraps some errors in less telling ones
            root = root.__context__
        said = "; ".join(dict.fromkeys(f"{type(e).__name__}: {e}" for e in (error, root)))
        raise LabkitError(f"{file}: OpenMM cannot use it: {said}{_named(said, types)}") from error


def _named(said: str, types: Callable[[], Atoms]) -> str:
    """The atoms of the types that are named in `said`."""
    if "type" not in said and "KeyError" not in said:
        return ""
    words, atoms = set(re.findall(r"[\w*+'-]+", said.replace("'", " "))), types()
    return "".join(
        f"; atoms of type {name}: {', '.join(str(i) for i, kind in atoms if kind == name)}"
        for name in dict.fromkeys(kind for _, kind in atoms)
        if name in words
    )
