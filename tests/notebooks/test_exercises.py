"""Notebooks and the catalogue of exercises agree; a learner's copy runs to its first exercise, and no further."""

import re
from pathlib import Path

import pytest

from labkit.exercises.catalogue import catalogue
from labkit.exercises.copies import CHECK, exercises, read
from labkit.notebooks import run_notebooks
from labkit.student import write_copies

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_every_exercise_stands_in_its_notebook_once():
    found = [(path.name[:2], number) for path in NOTEBOOKS for number in exercises(read(path))]
    assert found == [(one.notebook, number) for number, one in catalogue().items()]


@each
def test_an_exercise_is_text_and_hints_then_a_cell_that_ends_with_its_check(path):
    cells = read(path).cells
    for before, cell in zip(cells, cells[1:]):
        for number in CHECK.findall(cell.source) if cell.cell_type == "code" else []:
            assert before.cell_type == "markdown" and before.source.count("**Exercise ") == 1
            assert f"**Exercise {number}**" in before.source and "<details><summary>Hint" in before.source
            assert ("(optional)" in before.source) == catalogue()[number].optional
            assert cell.source.splitlines()[-1].startswith(f'check("{number}", answer')
            assert "solution" in cell.metadata.tags


@each
def test_progress_is_shown_before_the_end(path):
    assert read(path).cells[0].source.startswith("# ")
    assert any(cell.cell_type == "code" and re.match(r"progress\(", cell.source) for cell in read(path).cells[-4:])


@each
def test_a_copy_is_the_notebook_up_to_its_first_exercise(path, tmp_path):
    """So what runs there, under nbval, runs in the copy; one copy is run below."""
    (copy,) = write_copies([path], tmp_path)
    ours, theirs = ([c.source for c in read(place).cells if c.cell_type == "code"] for place in (path, copy.path))
    assert not any("NBVAL" in source for source in theirs)  # which says nothing to a learner
    ours = [source.removeprefix("# NBVAL_CHECK_OUTPUT\n") for source in ours]
    first = next(k for k, source in enumerate(ours) if CHECK.search(source))
    assert theirs[:first] == ours[:first] and theirs[first] != ours[first]


def test_a_copy_runs_to_its_first_exercise(tmp_path, monkeypatch):
    """Nothing fails before, and there Run All ends; no exercise is done by that."""
    monkeypatch.setenv("LABKIT_SESSION", str(tmp_path / "session"))
    (copy,) = write_copies(NOTEBOOKS[:1], tmp_path)
    (report,) = run_notebooks([copy.path], tmp_path / "html")
    assert report.error == (
        f"NotAnswered: Exercise {copy.path.name[:2]}.1: replace the dots by your answer, then run this cell again."
    )
    assert not (tmp_path / "session" / "exercises.json").exists()
    assert "Traceback" not in (tmp_path / "html" / f"{copy.path.stem}.html").read_text()
