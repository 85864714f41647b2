"""Protein structure files (PSF) of CHARMM, NAMD and VMD as general topologies: no name has a meaning of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabkitError

Rows = list[tuple[int, ...]]

#: Lists of atoms: the name in the header, and the atoms of a row.
LISTS = {"NBOND": 2, "NTHETA": 3, "NPHI": 4, "NIMPHI": 4, "NCRTERM": 8}


@dataclass(frozen=True)
class Psf:
    """What a file holds, as it is written there: n atoms, and rows of atoms that count from 0.

    names, types (n,); residues (n,) (segment, number, name); charges (n,) e; masses (n,) u
    bonds, angles, dihedrals, impropers, cross_terms  rows of 2, 3, 4, 4, 8 atoms
    """

    names: list[str]
    types: list[str]
    residues: list[tuple[str, str, str]]
    charges: list[float]
    masses: list[float]
    bonds: Rows
    angles: Rows
    dihedrals: Rows
    impropers: Rows
    cross_terms: Rows

    @classmethod
    def read(cls, path: str | Path) -> Psf:
        """Raise LabkitError, naming file and line, for what is no PSF, for Drude oscillators and for lone pairs."""
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
        flags = lines[0].split() if lines else []
        if flags[:1] != ["PSF"]:
            raise LabkitError(f"{path}: found {' '.join(flags)!r:.40} in line 1, expected 'PSF' and its flags")
        if "DRUDE" in flags:
            raise LabkitError(
                f"{path}: a Drude psf (its first line has the flag DRUDE): labkit has no Drude oscillators; use the "
                "additive CHARMM36 topology of the same molecules"
            )
        sections = _sections(lines)
        counts, (first, rows) = sections.get("NUMLP", ((0,), (0, [])))
        if counts[0]:
            raise LabkitError(
                f"{path}: {counts[0]} lone pairs (section NUMLP), whose places follow from those of other atoms: "
                "labkit moves atoms only; choose a topology without them"
            )
        if "NATOM" not in sections:
            raise LabkitError(f"{path}: there is no section !NATOM, which lists the atoms")
        counts, (first, rows) = sections["NATOM"]
        if len(rows) != counts[0]:
            raise LabkitError(f"{path}: {len(rows)} rows of atoms, but !NATOM announces {counts[0]}")
        atoms = [_atom(path, first + k, row.split()) for k, row in enumerate(rows)]
        lists = [_rows(path, name, width, sections, len(atoms)) for name, width in LISTS.items()]
        columns = [list(column) for column in zip(*atoms, strict=True)] if atoms else [[] for _ in range(5)]
        return cls(*columns, *lists)


Section = tuple[tuple[int, ...], tuple[int, list[str]]]


def _sections(lines: Sequence[str]) -> dict[str, Section]:
    """By name: the counts of the header, the number of the first line and the lines until an empty one."""
    found: dict[str, Section] = {}
    rows: list[str] | None = None
    for number, line in enumerate(lines[1:], 2):
        before, mark, title = line.partition("!")
        counts = before.split()
        if mark and counts and all(count.lstrip("-").isdigit() for count in counts):
            rows = []
            name = title.split()[0].rstrip(":").upper() if title.split() else ""
            found[name] = tuple(map(int, counts)), (number + 1, rows)
        elif not line.strip():
            if rows:
                rows = None
        elif rows is not None:
            rows.append(line)
    return found


def _atom(path: str | Path, line: int, fields: list[str]) -> tuple[str, str, tuple[str, str, str], float, float]:
    try:
        _, segment, number, residue, name, kind, charge, mass = fields[:8]
        return name, kind, (segment, number, residue), float(charge), float(mass)
    except ValueError as error:
        raise LabkitError(
            f"{path}, line {line}: {' '.join(fields)!r:.80}; expected number, segment, residue number, residue, name, "
            "type, charge and mass"
        ) from error


def _rows(path: str | Path, name: str, width: int, sections: dict[str, Section], n_atoms: int) -> Rows:
    if name not in sections:
        return []
    (count, *_), (first, lines) = sections[name]
    try:
        atoms = [int(word) - 1 for line in lines for word in line.split()]
    except ValueError as error:
        raise LabkitError(f"{path}, from line {first}: !{name}: {error}; expected numbers of atoms") from error
    if len(atoms) != count * width:
        raise LabkitError(f"{path}: !{name} announces {count} rows of {width} atoms; found {len(atoms)} numbers")
    wrong = next((atom for atom in atoms if not 0 <= atom < n_atoms), None)
    if wrong is not None:
        raise LabkitError(f"{path}: !{name} names atom {wrong + 1}, but there are atoms 1 to {n_atoms}")
    return [tuple(atoms[k : k + width]) for k in range(0, len(atoms), width)]
