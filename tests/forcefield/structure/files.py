"""Small files of structures of any content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SECTIONS = (
    ("bonds", "NBOND: bonds", 2, 4), ("angles", "NTHETA: angles", 3, 3), ("dihedrals", "NPHI: dihedrals", 4, 2),
    ("impropers", "NIMPHI: impropers", 4, 2), (None, "NDON: donors", 2, 4), (None, "NACC: acceptors", 2, 4),
    ("nnb", "NNB", 1, 8), ("groups", "NGRP NST2", 3, 3), ("cross_terms", "NCRTERM: cross-terms", 8, 1),
)  # fmt: skip


def write_psf(
    path: Path, names: Sequence[str], types: Sequence[str], *, charges: Sequence[float] | None = None,
    masses: Sequence[float] | None = None, residues: Sequence[tuple[str, str, str]] | None = None, flags: str = "PSF",
    **lists: Sequence[Sequence[int]],
) -> Path:  # fmt: skip
    """A PSF of these atoms and rows of atoms, which count from 0."""
    n = len(names)
    charges, masses = charges or [0.0] * n, masses or [12.011] * n
    residues = residues or [("A", "1", "MOL")] * n
    lines = [flags, "", "       1 !NTITLE", " REMARKS made for a test", "", f"{n:8d} !NATOM"]
    for k, (segment, number, residue) in enumerate(residues):
        lines.append(
            f"{k + 1:8d} {segment:4s} {number:4s} {residue:4s} {names[k]:6s} {types[k]:6s} {charges[k]:10.6f} "
            f"{masses[k]:13.4f}           0"
        )
    for field, title, width, wide in SECTIONS:
        rows = lists.get(field, ())
        lines += ["", f"{len(rows):8d}{'       0' * (field == 'groups')} !{title}"]
        cells = [f"{atom + 1:8d}" for row in rows for atom in row]
        lines += ["".join(cells[k : k + wide * width]) for k in range(0, len(cells), wide * width)] or [""]
    path.write_text("\n".join([*lines, ""]) + "\n")
    return path
