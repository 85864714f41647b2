"""AMBER's prmtop: its sections in any FORMAT of Fortran, and the file as OpenMM opens it."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.base.box import box_of_lengths
from labkit.errors import LabkitError
from labkit.forcefield.openmm.fortran_format import FortranFormat, written

#: What OpenMM reads: one kind of field, repeated a given number of times. It reads anything else as one long word.
_OPENMM = re.compile(r"\(\d+\(?[aIEF]\d+(\.\d+)?\)?\)", re.IGNORECASE)

IFBOX = 27  # its place among the POINTERS


@dataclass(frozen=True)
class Section:
    """One %FLAG: its FORMAT with parentheses, and its values as text."""

    form: FortranFormat
    values: list[str]


def sections(path: str | Path) -> dict[str, Section]:
    """The sections of a prmtop by their %FLAG, cut at the columns that their %FORMAT gives.

    Raises LabkitError, naming file and line, for a FORMAT that is none, and for a file without sections.
    """
    found: dict[str, Section] = {}
    name, form = "", None
    for number, line in enumerate(Path(path).read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if line.startswith("%FLAG"):
            name, form = (line.split()[1:] or [""])[0], None
        elif line.startswith("%FORMAT"):
            try:
                form = FortranFormat(line.removeprefix("%FORMAT"))
            except ValueError as error:
                raise LabkitError(f"{path}: line {number}: %FORMAT of {name}: {error}") from error
            found[name] = Section(form, [])
        elif not line.startswith("%") and name:
            if form is None:
                raise LabkitError(f"{path}: line {number}: values of {name} before its %FORMAT")
            found[name].values.extend(form.split(line))
    if "POINTERS" not in found:
        raise LabkitError(
            f"{path}: has no %FLAG POINTERS, so it is no prmtop of AMBER 7 or later; convert older files with ParmEd"
        )
    return found


def open_prmtop(path: str | Path, **options: Any) -> Any:
    """OpenMM's AmberPrmtopFile of a prmtop with any FORMAT; `options` are its own."""
    from openmm import app

    text = Path(path).read_text(encoding="utf-8", errors="replace")
    forms = re.findall(r"^%FORMAT(\(.*\))\s*$", text, re.MULTILINE)
    title = re.search(r"^%FLAG TITLE[^\n]*\n%FORMAT[^\n]*\n[^%\n]*\n[^%]", text, re.MULTILINE)
    boxed = _has_box(text, path)
    if title is None and boxed and all(_OPENMM.fullmatch(form.strip()) for form in forms):
        return app.AmberPrmtopFile(str(path), **options)
    found = sections(path)
    if not boxed and len(found["POINTERS"].values) > IFBOX:
        found["POINTERS"].values[IFBOX] = "0"
    with tempfile.TemporaryDirectory(prefix="labkit-prmtop-") as folder:
        plain = Path(folder) / "plain.prmtop"
        plain.write_text("".join(_plain(found)), encoding="utf-8")
        return app.AmberPrmtopFile(str(plain), **options)


def _has_box(text: str, path: str | Path) -> bool:
    """False for a section BOX_DIMENSIONS (an angle, three lengths) that is no box: zeros, or the cube of 1 Å."""
    section = re.search(r"^%FLAG BOX_DIMENSIONS[^\n]*\n(?:%[^\n]*\n)*([^%]*)", text, re.MULTILINE)
    try:
        angle, *lengths = [float(word) for word in section[1].split()] if section else []
    except ValueError:
        return True  # none, or numbers that OpenMM reads by their FORMAT
    return len(lengths) != 3 or box_of_lengths(lengths, [angle] * 3, str(path)) is not None


def _plain(found: dict[str, Section]) -> list[str]:
    lines = ["%VERSION  VERSION_STAMP = V0001.000\n"]
    for name, section in found.items():
        values = [" ".join(section.values)] if name == "TITLE" else section.values  # OpenMM expects one line
        form, records = written(values, section.form.letters)
        lines += [f"%FLAG {name:<74}\n%FORMAT{form:<73}\n", *(f"{record}\n" for record in records)]
        lines += [] if values else ["\n"]  # OpenMM expects a record
    return lines
