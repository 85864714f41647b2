"""A worker thread that fails, or does not end, makes its notebook fail, in `labkit run` and under nbval."""

import subprocess
import sys

import nbformat
import pytest

from labkit.notebooks import run_notebooks

START = """
import labkit, time
from labkit.jobs import Job

def work(progress):
    time.sleep(0.5)
    {act}

job = Job(work, name="planted").start()
"""
GOOD = "progress.update(1, 1)"
BAD = "raise RuntimeError('planted failure')"
ENDLESS = "time.sleep(3600)"


@pytest.fixture
def notebook(tmp_path):
    def write(act, finish="labkit.finish(timeout=5)"):
        sources = (START.format(act=act).strip(), "print('the cells themselves are fine')", finish)
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        path = tmp_path / "planted.ipynb"
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
        return path

    return write


def nbval(path):
    line = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=30"]
    done = subprocess.run(
        [*line, "-p", "no:cacheprovider", str(path)], cwd=path.parent, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout


def test_work_that_ends_well_passes(notebook, tmp_path):
    path = notebook(GOOD)
    (report,) = run_notebooks([path], tmp_path / "out")
    assert report.error == ""
    assert nbval(path)[0] == 0


@pytest.mark.parametrize(("act", "message"), [(BAD, "planted failure"), (ENDLESS, "TimeoutError")])
def test_the_runner_fails(notebook, tmp_path, act, message):
    (report,) = run_notebooks([notebook(act)], tmp_path / "out")
    assert message in report.error


@pytest.mark.parametrize(("act", "message"), [(BAD, "planted failure"), (ENDLESS, "TimeoutError")])
def test_nbval_fails(notebook, act, message):
    code, text = nbval(notebook(act))
    assert code == 1 and message in text


def test_it_is_finish_that_sees_it(notebook, tmp_path):
    """Without the last cell the same failure goes unseen: what the other tests see is not seen by chance."""
    (report,) = run_notebooks([notebook(BAD, finish="time.sleep(1)")], tmp_path / "out")
    assert report.error == ""
