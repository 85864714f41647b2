"""Stored outputs: those of compared cells are replaced, others stay stripped, a notebook that fails is left alone."""

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools.stored_outputs import store


def written(path, *sources: str):
    cells = [new_code_cell(source) for source in sources]
    cells[1].outputs = [new_output("stream", name="stdout", text="41\n")]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_only_compared_cells_are_stored(tmp_path) -> None:
    path = written(tmp_path / "n.ipynb", "print(1)", "# NBVAL_CHECK_OUTPUT\nprint(6 * 7)", "6 * 7")
    assert store(path) == 1
    cells = nbformat.read(path, 4).cells
    assert [len(cell.outputs) for cell in cells] == [0, 1, 0] and cells[1].outputs[0].text == "42\n"
    assert all(cell.execution_count is None for cell in cells)
    before = path.read_bytes()
    assert store(path) == 0 and path.read_bytes() == before


def test_a_notebook_that_fails_is_left_as_it_is(tmp_path) -> None:
    path = written(tmp_path / "n.ipynb", "x = 1", "# NBVAL_CHECK_OUTPUT\nprint(x)", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(CellExecutionError):
        store(path)
    assert path.read_bytes() == before
