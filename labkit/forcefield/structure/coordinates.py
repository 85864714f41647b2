"""Coordinate files of molecular dynamics: positions, the box, and what the file calls its atoms."""

from __future__ import annotations

import io
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base.box import box_of_lengths, box_or_none
from labkit.errors import LabkitError
from labkit.forcefield.structure.inpcrd import read_inpcrd
from labkit.forcefield.structure.kinds import kind
from labkit.forcefield.structure.labels import AtomLabels
from labkit.units import NANOMETRE

AMBER = (".inpcrd", ".rst7", ".rst", ".ncrst")
KINDS = (*AMBER, ".gro", ".pdb", ".cif", ".crd")


@dataclass(frozen=True, eq=False)
class Coordinates:
    """positions (n, 3) Å; box (3, 3) Å or None; labels or None; topology: OpenMM's, of PDB and mmCIF files, or None."""

    positions: np.ndarray
    box: np.ndarray | None
    labels: AtomLabels | None = None
    topology: Any = None


def read_coordinates(path: str | Path) -> Coordinates:
    """The first frame of a file of KINDS; a box of zeros or of 1 Å is none, in all of them.

    Raises LabkitError for a box without volume; other errors of bad files are those of OpenMM's readers.
    """
    path = Path(path)
    suffix = kind(path)
    if suffix in AMBER:
        return Coordinates(*read_inpcrd(path))
    return {".gro": _gro, ".pdb": _pdb, ".cif": _cif, ".crd": _crd}[suffix](path)


def labels_of_topology(topology: Any, source: str, *, sure: bool = True) -> AtomLabels:
    """Labels of an openmm.app.Topology."""
    atoms = list(topology.atoms())
    numbers = [0 if atom.element is None else atom.element.atomic_number for atom in atoms]
    residues = []
    for atom in atoms:
        residue = atom.residue
        residues.append((residue.chain.id, f"{residue.id}{residue.insertionCode}".strip(), residue.name))
    return AtomLabels(source, numbers, sure, [atom.name for atom in atoms], residues)


def _app() -> Any:
    try:
        from openmm import app
    except ImportError as error:
        raise LabkitError('OpenMM is not installed; run: pip install "labkit[forcefield]"') from error
    return app


def _gro(path: Path) -> Coordinates:
    app = _app()
    try:
        file = app.GromacsGroFile(str(path))
    except ZeroDivisionError:  # nine zeros, which OpenMM wants to reduce
        lines = path.read_text().splitlines()
        if any(float(word) for word in lines[-1].split()):
            raise
        with tempfile.TemporaryDirectory() as folder:
            bare = Path(folder) / path.name
            bare.write_text("\n".join([*lines[:-1], "0 0 0", ""]))
            file = app.GromacsGroFile(str(bare))
    residues = [("", str(number), name) for number, name in zip(file.residueIds, file.residueNames, strict=True)]
    labels = AtomLabels(str(path), names=file.atomNames, residues=residues)
    return Coordinates(_angstrom(file.positions), _box(file.getPeriodicBoxVectors(), path), labels)


def _pdb(path: Path) -> Coordinates:
    text = path.read_text(errors="replace")
    lines = text.split("\nENDMDL")[0].splitlines()
    file = _app().PDBFile(io.StringIO(text))
    box = next((_crystal(line, str(path)) for line in lines if line.startswith("CRYST1")), None)
    if box is not None and file.topology.getPeriodicBoxVectors() is not None:
        box = _box(file.topology.getPeriodicBoxVectors(), path)  # reduced
    rows = [line for line in lines if line.startswith(("ATOM  ", "HETATM"))]
    names = [row[12:16].strip() for row in rows]
    if len(rows) > len(file.positions) and not any(row[16:17].strip() for row in rows):
        # of atoms with the same name in a residue OpenMM takes the first; so there is no topology
        residues = [(row[21].strip(), row[22:27].strip(), row[17:21].strip()) for row in rows]
        return Coordinates(_places(rows), box, AtomLabels(str(path), None, False, names, residues))
    found = _with_topology(file, box, str(path), all(row[76:78].strip() for row in rows))
    if len(rows) == len(found.positions) and np.allclose(_places(rows), found.positions, atol=1e-6):
        return replace(found, labels=replace(found.labels, names=names))  # as they are in the file, not OpenMM's
    return found


def _places(rows: list[str]) -> np.ndarray:
    return np.array([[float(row[k : k + 8]) for k in (30, 38, 46)] for row in rows])


def _crystal(line: str, source: str) -> np.ndarray | None:
    """The box of a line CRYST1."""
    line = line.ljust(54)
    lengths, angles = [_number(line[k : k + 9]) for k in (6, 15, 24)], [_number(line[k : k + 7]) for k in (33, 40, 47)]
    return box_of_lengths(lengths, angles, source)


def _cif(path: Path) -> Coordinates:
    text = path.read_text(errors="replace")
    lengths = [_number(x) for x in re.findall(r"^_cell\.length_[abc]\s+(\S+)", text, re.MULTILINE)]
    if lengths and not any(lengths):
        text = re.sub(r"^_cell\.(length|angle)_\S+\s+\S+", "", text, flags=re.MULTILINE)  # OpenMM divides by them
    file = _app().PDBxFile(io.StringIO(text))
    return _with_topology(file, _box(file.topology.getPeriodicBoxVectors(), path), str(path), True)


def _with_topology(file: Any, box: np.ndarray | None, source: str, sure: bool) -> Coordinates:
    if box is None:
        file.topology.setPeriodicBoxVectors(None)
    labels = labels_of_topology(file.topology, source, sure=sure)
    return Coordinates(_angstrom(file.positions), box, labels, file.topology)


def _crd(path: Path) -> Coordinates:
    file = _app().CharmmCrdFile(str(path))
    residues = [(s, str(n), r) for s, n, r in zip(file.segid, file.resno, file.resname, strict=True)]
    return Coordinates(_angstrom(file.positions), None, AtomLabels(str(path), names=file.attype, residues=residues))


def _number(text: str) -> float:
    """0 for what is left blank or unknown."""
    return 0.0 if text.strip() in ("", "?", ".") else float(text)


def _angstrom(quantity: Any) -> np.ndarray:
    from openmm import unit

    return np.array(quantity.value_in_unit(unit.nanometer), dtype=np.float64).reshape(-1, 3) * NANOMETRE


def _box(vectors: Any, path: Path) -> np.ndarray | None:
    return None if vectors is None else box_or_none(_angstrom(vectors), str(path))
