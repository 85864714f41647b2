"""The cache of compiled functions: those of the sources as they are now, and of the right signature."""

import ast
import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

import labkit
from labkit.compiling import SOURCES, _CacheFile

PROCESSES, ROUNDS = 3, 150


@pytest.mark.parametrize("elsewhere", [False, True])
def test_kernels_of_other_sources_are_forgotten(tmp_path, elsewhere) -> None:
    """A function that was compiled with the old version of one that it calls, in another file."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import labkit.compiling, pathlib\nlabkit.compiling.ROOT = pathlib.Path(__file__).parent\n"
    )
    (package / "outer.py").write_text(
        "from labkit.compiling import njit\nfrom package.inner_kernels import inner\n"
        "@njit(cache=True)\ndef outer():\n    return inner()\n"
        "print(outer(), len(outer.stats.cache_hits))\n"
    )

    def run(value: int) -> tuple[int, int]:
        text = f"from labkit.compiling import njit\n@njit()\ndef inner():\n    return {value}\n"
        (package / "inner_kernels.py").write_text(text)
        line = [sys.executable, "-m", "package.outer"]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(labkit.__file__).parents[1])]),
        }
        environment.pop("NUMBA_CACHE_DIR", None)
        if elsewhere:
            environment["NUMBA_CACHE_DIR"] = str(tmp_path / "cache")
        done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        found, hits = done.stdout.split()[-2:]
        return int(found), int(hits)

    assert run(1) == (1, 0)
    assert run(1) == (1, 1)
    assert run(2) == (2, 0)


def save(key: int, folder: str, together) -> None:
    for k in range(ROUNDS):
        file = _CacheFile(folder, f"function{k}", 1.0)
        together.wait()
        file.save(key, (key,) * 100)


def test_processes_that_save_at_once(tmp_path) -> None:
    """numba's own file lost one in a hundred and returned another one's code for one in three hundred."""
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(PROCESSES)
    workers = [context.Process(target=save, args=(k, str(tmp_path), together)) for k in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    for k in range(ROUNDS):
        file = _CacheFile(str(tmp_path), f"function{k}", 1.0)
        assert [file.load(key) for key in range(PROCESSES)] == [(key,) * 100 for key in range(PROCESSES)]


def test_all_files_of_compiled_functions_count() -> None:
    """And those from which they take constants; none uses numba's own njit."""
    root = Path(labkit.__file__).parent
    counted = {path for pattern in SOURCES for path in root.glob(pattern)}
    compiled = [
        path for path in root.rglob("*.py") if re.search(r"^@(numba\.)?n?jit\b", path.read_text(), re.MULTILINE)
    ]
    assert len(compiled) > 10 and set(compiled) <= counted
    for path in compiled:
        text = path.read_text()
        assert "from labkit.compiling import njit" in text and "numba.njit" not in text, path
        tree = ast.parse(text)
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
        used = {node.id for f in functions for part in f.body for node in ast.walk(part) if isinstance(node, ast.Name)}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module.startswith("labkit."):
                source = root.joinpath(*node.module.split(".")[1:]).with_suffix(".py")
                taken = used & {name.asname or name.name for name in node.names}
                assert not taken or source in counted, (path, taken)


def test_kernels_leave_the_number_of_torchs_threads() -> None:
    """numba tells OpenMP to use all cores when it first runs a parallel kernel."""
    code = """import torch
from labkit.forcefield.examples import water
example = water()
example.forcefield.evaluate(example.state)
print(torch.get_num_threads())"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]
