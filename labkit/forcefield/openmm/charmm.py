"""Files of CHARMM for OpenMM, with what its readers take names for, and what they leave out."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from itertools import combinations
from math import sqrt
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError
from labkit.forcefield.structure.psf import LISTS, Psf


def read_charmm(path: str, periodicBoxVectors: Any = None) -> Any:
    """A CharmmPsfFile with all bonds of the file.

    OpenMM's own reader leaves out the bonds of atoms whose names begin with LP, or are OM, and fails for names with D:
    in a Drude psf these are lone pairs and oscillators, elsewhere they are atoms as others. So it is given other names.
    Raises LabkitError as `Psf.read`, and for types that differ by case alone, which CHARMM does not tell apart.
    """
    from openmm import app

    psf = Psf.read(path)
    spelt: dict[str, str] = {}
    for kind in psf.types:
        if spelt.setdefault(kind.upper(), kind) != kind:
            raise LabkitError(
                f"{path}: types {spelt[kind.upper()]} and {kind} differ by case alone, which OpenMM and CHARMM do not "
                "tell apart; give one of them another name"
            )
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / Path(path).name
        plain.write_text(_text(psf))
        made = app.CharmmPsfFile(str(plain), periodicBoxVectors=periodicBoxVectors)
    for atom, name in zip(made.atom_list, psf.names, strict=True):
        atom.name = name
    return made


def read_parameters(paths: list[str], types: Iterable[str]) -> Any:
    """A CharmmParameterSet for atoms of these types, in which geometric mixing is written as parameters of pairs.

    OpenMM leaves out the word GEOM of the line NONBONDED, by which CHARMM mixes σ as the geometric mean (OPLS).
    """
    from openmm import app

    made = app.CharmmParameterSet(*paths)
    if any(_mixes_geometrically(path) for path in paths):
        known = [made.atom_types_str[kind] for kind in sorted(set(types)) if kind in made.atom_types_str]
        for one, other in combinations(known, 2):
            if other.name in one.nbfix:
                continue
            means = [2 * sqrt(a * b) for a, b in ((one.rmin, other.rmin), (one.rmin_14, other.rmin_14))]
            wells = [sqrt(abs(a * b)) for a, b in ((one.epsilon, other.epsilon), (one.epsilon_14, other.epsilon_14))]
            one.add_nbfix(other.name, means[0], wells[0], means[1], wells[1])
            other.add_nbfix(one.name, means[0], wells[0], means[1], wells[1])
    return made


def _mixes_geometrically(path: str) -> bool:
    """Whether a line NONBONDED, with the lines that continue it, has the word GEOM."""
    text = re.sub(r"!.*", "", Path(path).read_text(encoding="utf-8", errors="replace"))
    text = re.sub(r"-[ \t]*\n", " ", text)
    headers = re.findall(r"^[ \t]*(?:NONB|NBON).*$", text, re.MULTILINE | re.IGNORECASE)
    return any(re.search(r"\bGEOM", header, re.IGNORECASE) for header in headers)


def _text(psf: Psf) -> str:
    lines = ["PSF EXT", "", "1 !NTITLE", " REMARKS", "", f"{len(psf.names)} !NATOM"]
    for k, ((segment, number, residue), kind) in enumerate(zip(psf.residues, psf.types, strict=True)):
        name = f"{'H' if psf.names[k].startswith('H') else 'A'}{k}"  # OpenMM leaves out H-H of water, rigid there
        lines.append(f"{k + 1} {segment} {number} {residue} {name} {kind} {psf.charges[k]!r} {psf.masses[k]!r} 0")
    rows = (psf.bonds, psf.angles, psf.dihedrals, psf.impropers, psf.cross_terms)
    for name, some in zip(LISTS, rows, strict=True):
        lines += ["", f"{len(some)} !{name}", *(" ".join(str(atom + 1) for atom in row) for row in some)]
    return "\n".join([*lines, ""]) + "\n"
