"""`labkit student OUT/`: copies of the notebooks for learners, without solutions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError
from labkit.exercises.copies import changed, exercises, nbformat, read, student_copy
from labkit.files import atomic_write
from labkit.masters import find_notebooks


@dataclass(frozen=True)
class Copied:
    """The result for one notebook: "written", "as it was", or "kept" because a learner has changed it."""

    path: Path
    what: str
    exercises: int


def write_copies(masters: Sequence[Path], out: Path, *, overwrite: bool = False) -> list[Copied]:
    """Write `out/<name>.ipynb` for each master; copies that a learner has changed are kept, unless `overwrite`.

    Raises LabkitError if `out` is the masters' own folder or cannot be written to.
    """
    for master in masters:
        if (out / master.name).resolve() == master.resolve():
            raise LabkitError(f"{out}: holds the notebooks with the solutions themselves; choose another folder")
    copies = [student_copy(master, out) for master in masters]  # all, before anything is written
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabkitError(f"{out}: is not a writable folder ({error.strerror}); choose another one") from error
    return [_write(copy, out / master.name, overwrite) for master, copy in zip(masters, copies)]


def _write(copy: Any, path: Path, overwrite: bool) -> Copied:
    count = len(exercises(copy))
    if path.exists():
        there = _existing(path)
        if there is not None and _cells(there) == _cells(copy) and not overwrite:
            return Copied(path, "as it was", count)
        if (there is None or changed(there)) and not overwrite:
            return Copied(path, "kept", count)
    atomic_write(path, nbformat.writes(copy) + "\n")
    return Copied(path, "written", count)


def _existing(path: Path) -> Any:
    """The existing notebook; None for a file that is not one, which is not ours to replace."""
    try:
        return read(path)
    except LabkitError:
        return None


def _cells(notebook: Any) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write to; created if it does not exist")
    parser.add_argument("names", nargs="*", metavar="NOTEBOOK", help="which notebooks (all)")
    parser.add_argument("--overwrite", action="store_true", help="also replace changed copies")


def run(options: argparse.Namespace) -> int:
    shown = {"written": "written", "as it was": "unchanged", "kept": "kept: changed there; --overwrite replaces it"}
    copies = write_copies(find_notebooks(options.names), options.out, overwrite=options.overwrite)
    for copy in copies:
        print(f"{copy.path.name:36}{copy.exercises:3} exercises   {shown[copy.what]}")
    print(f"\nOpen one with: labkit lab {copies[0].path}")
    return 0
