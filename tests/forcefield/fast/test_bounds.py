"""No compiled kernel indexes an array beyond its end: all of them once, with numba's checks of every index."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import labkit
import labkit.forcefield.fast.kernels

BEYOND = """
import numba, numpy as np
@numba.njit(cache=True, nogil=True, error_model="numpy")
def inner(values, k):
    return values[np.uint64(k)]
@numba.njit(cache=True, nogil=True, parallel={parallel})
def outer(values, found):
    for k in numba.prange(len(found)):
        found[k] = inner(values, k + 1)
outer(np.zeros(3), np.zeros(3))
"""


def checked(folder: Path, *line: str) -> subprocess.CompletedProcess:
    """Run Python with indices checked; compiled functions are kept apart from those that do not check."""
    # Without optimisation, which would take most of the time. Work is divided between two threads as ever, but one does
    # it all: of an error in another one numba says nothing.
    quick = {"NUMBA_OPT": "0", "NUMBA_LOOP_VECTORIZE": "0", "NUMBA_SLP_VECTORIZE": "0", "LABKIT_THREADS": "2"}
    path = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    more = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(folder), "NUMBA_NUM_THREADS": "1", "PYTHONPATH": path}
    ignored = [sys.executable, "-W", "ignore", *line]  # kernels that check cannot be kept, which numba says of each
    return subprocess.run(ignored, env={**os.environ, **quick, **more}, capture_output=True, text=True, timeout=560)


def test_no_file_of_kernels_is_missing() -> None:
    """A file with compiled functions that the script below neither imports nor finds would not be checked."""
    root, script = Path(labkit.__file__).parent, Path(__file__).with_name("all_kernels.py").read_text()
    files = [path for path in root.rglob("*.py") if re.search(r"^@(numba\.)?njit", path.read_text(), re.MULTILINE)]
    assert len(files) > 10
    found = Path(labkit.forcefield.fast.kernels.__file__).parent  # by iter_modules
    for path in (path for path in files if path.parent != found):
        folder, name = path.parent.name, path.stem
        assert re.search(rf"^import labkit\..*{folder}\.{name} as ", script, re.MULTILINE), path


@pytest.mark.slow  # a minute and a half of compiling
@pytest.mark.timeout(600)
def test_all_kernels_keep_within_their_arrays(tmp_path) -> None:
    done = checked(tmp_path, str(Path(__file__).with_name("all_kernels.py")))
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("parallel", [False, True])
def test_an_index_beyond_the_end_is_told(tmp_path, parallel) -> None:
    """As it has to be, for the test above to mean anything; numba finds functions of files only."""
    script = tmp_path / "beyond.py"
    script.write_text(BEYOND.format(parallel=parallel))
    done = checked(tmp_path, str(script))
    assert done.returncode != 0 and "IndexError: index is out of bounds" in done.stderr
