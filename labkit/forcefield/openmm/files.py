"""A system from AMBER, CHARMM or GROMACS files, or a PDB file with OpenMM's XML, in one call."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from labkit.base import State
from labkit.base.box import box_given
from labkit.errors import LabkitError, suggest
from labkit.forcefield.openmm.atoms import has_numbers, numbers_of, weigh
from labkit.forcefield.openmm.box import reduced
from labkit.forcefield.openmm.charmm import read_charmm, read_parameters
from labkit.forcefield.openmm.file_errors import naming, psf_types, top_types, xml_types
from labkit.forcefield.openmm.prmtop import open_prmtop
from labkit.forcefield.openmm.reader import Imported, import_openmm
from labkit.forcefield.openmm.state import state_from_openmm
from labkit.forcefield.openmm.xml_files import open_forcefield
from labkit.forcefield.structure.coordinates import KINDS, labels_of_topology, read_coordinates
from labkit.forcefield.structure.kinds import kind
from labkit.forcefield.structure.labels import check_order
from labkit.units import NANOMETRE

TOPOLOGIES = {".prmtop": "AMBER", ".parm7": "AMBER", ".psf": "CHARMM", ".top": "GROMACS"}
PARAMETERS = (".prm", ".par", ".rtf", ".str", ".xml")
KNOWN = (*TOPOLOGIES, *KINDS, *PARAMETERS)
PERIODIC = ("CutoffPeriodic", "Ewald", "PME", "LJPME")


def load(
    *files: str | Path,
    cell: Any = None,
    masses: Any = None,
    seed: int = 0,
    scripts: Collection[str | Path] = (),
    **options: Any,
) -> tuple[State, Imported]:
    """The state, and the force field with masses and constraints, from files that OpenMM reads.

    load("ala.prmtop", "ala.inpcrd"); load("ala.psf", "ala.pdb", "par.prm", "top.rtf"); load("mol.top", "mol.gro");
    load("protein.pdb", "amber14-all.xml", "implicit/gbn2.xml") with your XML files or OpenMM's.

    cell     the box in Å: vectors (3, 3), or lengths and angles (6,), or lengths (3,). None: the box of the
             coordinates; where they have none, that of the prmtop (its IFBOX), which `notes` says; else an open
             system. Zeros, and the cube of 1 Å that PDB files have for structures that are no crystals, are no box
    masses   (n,) u, in place of those of the files
    options  those of OpenMM's createSystem (nonbondedMethod=app.PME, constraints=app.HBonds, rigidWater=False,
             hydrogenMass=3 * unit.dalton, ...); the box counts with a periodic nonbondedMethod only
    scripts  XML files whose Python code (<Script>, <InitializationScript>) OpenMM may run; that of the files that come
             with OpenMM always may

    By default OpenMM's water is rigid, without bonds: give the integrator the `imported.constraints`.

        state, imported = load("water.pdb", "amber14/tip3p.xml", nonbondedMethod=app.PME)
        rigid = Constraints(*imported.constraints)
        simulate(state, imported.forcefield, CellRescaling(300.0, 1e-4, constraints=rigid), 1000, 2.0)

    Raises LabkitError, naming the file, for an unknown type of file, a missing one, missing parameters (with the
    atoms of the type, if the file has types), coordinates of a different number of atoms, or of the same atoms in
    another order, a periodic method without a box, and Python code in an XML file that `scripts` does not name.
    """
    try:
        import openmm
        from openmm import app
    except ImportError as error:
        raise LabkitError('OpenMM is not installed; run: pip install "labkit[forcefield]"') from error
    found = {str(file): kind(file) for file in files}
    for file, suffix in found.items():
        if suffix not in KNOWN:
            raise LabkitError(
                f"{file}: unknown file type {suffix!r}{suggest(suffix, KNOWN)}; known: {', '.join(KNOWN)}"
            )
        if suffix != ".xml" and not Path(file).is_file():  # names of XML files may be OpenMM's own
            raise LabkitError(f"{file}: there is no such file; give its path")
    where = _only(found, KINDS, "coordinates")
    coordinates = naming(where, lambda: read_coordinates(where))
    rows = coordinates.box if cell is None else box_given(cell)
    box = None if rows is None else [openmm.Vec3(*row) for row in reduced(rows) / NANOMETRE] * openmm.unit.nanometer
    parameters = [file for file, suffix in found.items() if suffix in PARAMETERS]
    if ".xml" in found.values():
        if coordinates.topology is None:
            raise LabkitError(
                f"{where}: XML files find atoms by their names, residues and bonds; give a .pdb or .cif file in which "
                "no two atoms of a residue have the same name"
            )
        what = where
        coordinates.topology.setPeriodicBoxVectors(box)
        system, topology = _by_residues(where, coordinates.topology, parameters, scripts, options)
    else:
        what = _only(found, TOPOLOGIES, "topology")
        program, ask = TOPOLOGIES[found[what]], cell is None  # else the box is given, or given as none
        system, topology = _by_topology(app, program, what, box, parameters, options, own_box=ask)
        sure = found[what] in (".prmtop", ".parm7") and has_numbers(what)
        if coordinates.labels is not None and len(coordinates.labels) == topology.getNumAtoms():
            check_order(labels_of_topology(topology, what, sure=sure), coordinates.labels)
    if box is not None:
        system.setDefaultPeriodicBoxVectors(*box)
    try:
        if masses is not None:
            weigh(system, masses)
        numbers = numbers_of(topology, system)
        state = state_from_openmm(topology, coordinates.positions / NANOMETRE, system, seed, numbers=numbers)
        imported = import_openmm(system)
    except LabkitError as error:
        raise LabkitError(f"{', '.join(found)}: {error}") from error
    if box is None and imported.box is not None:
        note = f"{where} has no box: that of {what} counts, {', '.join(f'{x:g}' for x in imported.box.diagonal())} Å"
        imported = replace(imported, notes=(*imported.notes, note))
    return state, imported


def _by_residues(
    where: str, topology: Any, parameters: list[str], scripts: Collection[str | Path], options: dict[str, Any]
) -> Any:
    """The System from XML files for the residues of a PDB file."""
    _check_box(topology, where, options)
    made = naming(", ".join(parameters), lambda: open_forcefield(*parameters, scripts=scripts))
    system = naming(where, lambda: made.createSystem(topology, **options), partial(xml_types, made, topology))
    return system, topology


def _by_topology(
    app: Any, program: str, what: str, box: Any, parameters: list[str], options: dict[str, Any], *, own_box: bool
) -> Any:
    """The System of a file that names the type of each atom; without a box in its own box, where it has one."""
    opened = {"AMBER": open_prmtop, "CHARMM": read_charmm, "GROMACS": app.GromacsTopFile}[program]
    types = partial(top_types, what) if program == "GROMACS" else list
    made = naming(what, lambda: opened(what, periodicBoxVectors=box), types)
    if box is None and not own_box:
        made.topology.setPeriodicBoxVectors(None)
    _check_box(made.topology, what, options)
    extra = ()
    if program == "CHARMM":
        types = partial(psf_types, made)
        used = [kind for _, kind in psf_types(made)]
        extra = (naming(", ".join(parameters) or what, lambda: read_parameters(parameters, used), types),)
    return naming(what, lambda: made.createSystem(*extra, **options), types), made.topology


def _check_box(topology: Any, what: str, options: dict[str, Any]) -> None:
    method = str(options.get("nonbondedMethod", ""))
    if method in PERIODIC and topology.getPeriodicBoxVectors() is None:
        raise LabkitError(
            f"{what}: nonbondedMethod is {method}, but no file has a box; give cell=, as in cell=[30, 30, 30] (Å)"
        )


def _only(found: dict[str, str], kinds: Any, what: str) -> str:
    mine = [file for file, suffix in found.items() if suffix in kinds]
    if len(mine) != 1:
        options = ", ".join(kinds) + (", or XML files of a force field beside a .pdb" if kinds is TOPOLOGIES else "")
        raise LabkitError(f"{len(mine)} files of {what} among {', '.join(found) or 'no files'}; give one of {options}")
    return mine[0]
