"""PSF files for OpenMM, whose reader takes the names of atoms for signs of what they are."""

from __future__ import annotations

import tempfile
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


def _text(psf: Psf) -> str:
    lines = ["PSF EXT", "", "1 !NTITLE", " REMARKS", "", f"{len(psf.names)} !NATOM"]
    for k, ((segment, number, residue), kind) in enumerate(zip(psf.residues, psf.types, strict=True)):
        name = f"{'H' if psf.names[k].startswith('H') else 'A'}{k}"  # OpenMM leaves out H-H of water, rigid there
        lines.append(f"{k + 1} {segment} {number} {residue} {name} {kind} {psf.charges[k]!r} {psf.masses[k]!r} 0")
    rows = (psf.bonds, psf.angles, psf.dihedrals, psf.impropers, psf.cross_terms)
    for name, some in zip(LISTS, rows, strict=True):
        lines += ["", f"{len(some)} !{name}", *(" ".join(str(atom + 1) for atom in row) for row in some)]
    return "\n".join([*lines, ""]) + "\n"
