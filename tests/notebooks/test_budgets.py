"""Two notebooks side by side in fast mode: each ends within its budget of time and memory, and its solutions pass."""

from pathlib import Path

import nbformat
import pytest

from labkit.exercises import record
from labkit.exercises.copies import exercises, read
from labkit.notebooks import run_notebooks

SECONDS = 60
MEMORY = 1000  # MB: kernel and children
NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_within_its_budget_and_solutions_pass(path, repository, record_property, tmp_path):
    (report,) = run_notebooks([path], repository / "artefacts" / "notebooks", session=tmp_path)
    record_property("notebook", report.name)
    record_property("seconds", report.seconds)
    record_property("memory", report.memory)
    assert report.error == ""
    assert report.seconds <= SECONDS, f"{report.seconds:.1f} s, {report.memory:.0f} MB"
    assert report.memory <= MEMORY, f"{report.seconds:.1f} s, {report.memory:.0f} MB"
    answered = record.parse((tmp_path / "exercises.json").read_text(), path.stem)
    assert [number for number, entry in answered.items() if entry["done"]] == exercises(read(path))


def test_there_are_notebooks():
    assert {"00_start_here", "01_train_a_potential"} <= {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_ends_by_joining_its_jobs(path):
    """Without it a worker's failure would go unseen."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert cells[-1].source.strip().startswith("labkit.finish(")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_outputs_stripped(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 25, cell.source
            checked = "NBVAL_CHECK_OUTPUT" in cell.source or "nbval-check-output" in cell.metadata.get("tags", [])
            assert checked or not cell.outputs, f"{path.name}: strip the outputs of\n{cell.source}"
