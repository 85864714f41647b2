"""Topologies and coordinates of the files that a run names: psf, prmtop, pdb, xyz; pdb, xyz, coor, crd, gro; xsc."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base.box import box_or_none
from labkit.errors import LabkitError
from labkit.forcefield.openmm.prmtop import open_prmtop, sections
from labkit.forcefield.structure.coordinates import KINDS, Coordinates, labels_of_topology
from labkit.forcefield.structure.coordinates import read_coordinates as read_structure
from labkit.forcefield.structure.elements import elements_of
from labkit.forcefield.structure.kinds import kind
from labkit.forcefield.structure.labels import AtomLabels
from labkit.forcefield.structure.psf import Psf
from labkit.forcefield.terms.openmm_values import plain

ANGSTROM = 10.0  # of the nm that OpenMM's readers give
Rows = list[tuple[int, ...]]


@dataclass(frozen=True)
class Topology:
    """Of n atoms: types (names, if a file has no types), atomic numbers (0: none), masses u, charges e or None.

    angles, dihedrals  None: all that the bonds imply
    weighed            the file has masses; otherwise they are those of the elements
    labels             what the file calls the atoms
    box                (3, 3) Å: a prmtop's own (IFBOX), for coordinates that have none
    """

    types: list[str]
    numbers: list[int]
    masses: list[float]
    bonds: Rows
    charges: list[float] | None = None
    angles: Rows | None = None
    dihedrals: Rows | None = None
    impropers: Rows = ()
    weighed: bool = False
    labels: AtomLabels | None = None
    box: np.ndarray | None = None


def read_topology(path: Path) -> Topology:
    """Raise LabkitError for a file that is not psf, prmtop, pdb or xyz, or cannot be read."""
    kinds = {".psf": _psf, ".prmtop": _prmtop, ".parm7": _prmtop, ".pdb": _pdb, ".cif": _pdb}
    kinds |= {".xyz": _xyz_topology, ".extxyz": _xyz_topology}
    return _read(path, kinds, "topology")


def read_coordinates(path: Path) -> Coordinates:
    """Positions, box and labels; raises LabkitError for other kinds of files."""
    kinds = {**dict.fromkeys(KINDS, read_structure), ".xyz": _xyz, ".extxyz": _xyz, ".coor": _coor}
    return _read(path, kinds, "coordinates")


def read_box(path: Path) -> np.ndarray | None:
    """The box (3, 3) Å of the last line of a NAMD extended system file; None if it has no volume."""
    return _read(path, {".xsc": _xsc, ".xst": _xsc}, "extended_system")


def _read(path: Path, kinds: dict[str, Callable[[Path], Any]], key: str) -> Any:
    reader = kinds.get(kind(path))
    if reader is None:
        raise LabkitError(f"{key}: {path}: unknown kind of file {path.suffix!r}; known: {', '.join(kinds)}")
    if not path.is_file():
        raise LabkitError(f"{key}: {path}: there is no such file")
    try:
        return reader(path)
    except LabkitError:
        raise
    except Exception as error:  # readers of several packages, each with its own errors
        raise LabkitError(
            f"{key}: {path}: cannot be read as {path.suffix} ({type(error).__name__}: {error})"
        ) from error


def _app() -> Any:
    try:
        from openmm import app
    except ImportError as error:
        raise LabkitError('OpenMM is not installed; run: pip install "labkit[forcefield]"') from error
    return app


def _elements(atoms: list[Any]) -> tuple[list[int], list[float]]:
    numbers = [atom.element.atomic_number if atom.element is not None else 0 for atom in atoms]
    return numbers, [float(plain(atom.element.mass)) if atom.element is not None else 0.0 for atom in atoms]


def _pdb(path: Path) -> Topology:
    found = read_structure(path)
    if found.topology is None:
        raise LabkitError(
            f"topology: {path}: two atoms of a residue have the same name; give each its own, or use a psf"
        )
    atoms = list(found.topology.atoms())
    bonds = [(bond.atom1.index, bond.atom2.index) for bond in found.topology.bonds()]
    return Topology(list(found.labels.names), *_elements(atoms), bonds, labels=found.labels)


def _psf(path: Path) -> Topology:
    """The lists of the file as they are: TorchMD takes no angles and dihedrals but those."""
    psf = Psf.read(path)
    numbers = elements_of(psf.masses, psf.bonds, psf.names)
    return Topology(
        psf.types, numbers, psf.masses, psf.bonds, psf.charges, psf.angles, psf.dihedrals, psf.impropers, weighed=True,
        labels=AtomLabels(str(path), numbers, False, psf.names, psf.residues),
    )  # fmt: skip


def _prmtop(path: Path) -> Topology:
    topology = open_prmtop(path).topology
    vectors = topology.getPeriodicBoxVectors()
    values = {name: section.values for name, section in sections(path).items()}
    found = np.array(values["DIHEDRALS_INC_HYDROGEN"] + values["DIHEDRALS_WITHOUT_HYDROGEN"], int).reshape(-1, 5)
    rows = np.abs(found[:, :4]) // 3
    improper = found[:, 3] < 0
    once = list(dict.fromkeys(map(tuple, rows[~improper].tolist())))  # a row for each cosine of a sum
    return Topology(
        values["AMBER_ATOM_TYPE"],
        _elements(list(topology.atoms()))[0],
        [float(mass) for mass in values["MASS"]],
        [(bond.atom1.index, bond.atom2.index) for bond in topology.bonds()],
        [float(charge) / 18.2223 for charge in values["CHARGE"]],  # AMBER's unit: kcal/mol = q q / (r/Å)
        None,
        once,
        list(dict.fromkeys(map(tuple, rows[improper].tolist()))),
        weighed=True,
        labels=labels_of_topology(topology, str(path), sure="ATOMIC_NUMBER" in values),
        box=None if vectors is None else box_or_none(_quantity(vectors), str(path)),
    )


def _quantity(positions: Any) -> np.ndarray:
    from openmm import unit

    return np.array(positions.value_in_unit(unit.nanometer), dtype=float).reshape(-1, 3) * ANGSTROM


def _xyz_topology(path: Path) -> Topology:
    import ase.io

    atoms = ase.io.read(path, index=0)
    numbers = atoms.numbers.tolist()
    labels = AtomLabels(str(path), numbers)
    return Topology(atoms.get_chemical_symbols(), numbers, atoms.get_masses().tolist(), [], labels=labels)


def _xyz(path: Path) -> Coordinates:
    import ase.io

    atoms = ase.io.read(path, index=0)
    box = box_or_none(atoms.cell.array, str(path)) if atoms.pbc.all() else None
    return Coordinates(atoms.positions, box, AtomLabels(str(path), atoms.numbers.tolist()))


def _coor(path: Path) -> Coordinates:
    """NAMD's binary positions: their number, then float64 of either byte order."""
    data = path.read_bytes()
    for order in "<>":
        count = int(np.frombuffer(data[:4], f"{order}i4")[0])
        if len(data) == 4 + 24 * count:
            return Coordinates(np.frombuffer(data[4:], f"{order}f8").astype(float).reshape(-1, 3), None)
    raise LabkitError(f"coordinates: {path}: {len(data)} bytes are not binary coordinates of NAMD (4 + 24 per atom)")


def _xsc(path: Path) -> np.ndarray | None:
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#"]
    return box_or_none(np.array(rows[-1][1:10], dtype=float).reshape(3, 3), str(path))
