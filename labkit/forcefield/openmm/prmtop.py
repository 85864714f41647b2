"""AMBER's prmtop: its sections in any FORMAT of Fortran, and the file as OpenMM opens it."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base.box import box_or_none
from labkit.errors import LabkitError
from labkit.forcefield.openmm.fortran_format import FortranFormat, written

#: What OpenMM reads: one kind of field, repeated a given number of times. It reads anything else as one long word.
_OPENMM = re.compile(r"\(\d+\(?[aIEF]\d+(\.\d+)?\)?\)", re.IGNORECASE)


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
    if title is None and all(_OPENMM.fullmatch(form.strip()) for form in forms):
        return _boxed(app.AmberPrmtopFile, str(path), **options)
    with tempfile.TemporaryDirectory(prefix="labkit-prmtop-") as folder:
        plain = Path(folder) / "plain.prmtop"
        plain.write_text("".join(_plain(sections(path))), encoding="utf-8")
        return _boxed(app.AmberPrmtopFile, str(plain), **options)


def _boxed(opened: Any, path: str, **options: Any) -> Any:
    """The file; with a box that is none (zeros, which OpenMM divides by, or the cube of 1 Å) it is an open system."""
    import openmm

    try:
        made = opened(path, **options)
    except ZeroDivisionError:
        cube = [openmm.Vec3(*row) for row in 0.1 * np.eye(3)] * openmm.unit.nanometer
        made = opened(path, **{**options, "periodicBoxVectors": cube})
    vectors = made.topology.getPeriodicBoxVectors()
    if vectors is not None and box_or_none(10.0 * np.array(vectors.value_in_unit(openmm.unit.nanometer)), path) is None:
        made.topology.setPeriodicBoxVectors(None)
    return made


def _plain(found: dict[str, Section]) -> list[str]:
    lines = ["%VERSION  VERSION_STAMP = V0001.000\n"]
    for name, section in found.items():
        values = [" ".join(section.values)] if name == "TITLE" else section.values  # OpenMM expects one line
        form, records = written(values, section.form.letters)
        lines += [f"%FLAG {name:<74}\n%FORMAT{form:<73}\n", *(f"{record}\n" for record in records)]
        lines += [] if values else ["\n"]  # OpenMM expects a record
    return lines
