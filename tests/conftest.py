"""What all tests share: which are skipped where, and a JupyterLab started as `make lab` starts it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# What tests do must neither see nor change what the person at this machine has done: before labkit reads them.
PRIVATE = tempfile.TemporaryDirectory(prefix="labkit-tests-")
os.environ.update(LABKIT_SESSION=f"{PRIVATE.name}/session", LABKIT_CACHE=f"{PRIVATE.name}/cache")

import pytest  # noqa: E402
import torch  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and torch finds none"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder with pyproject.toml."""
    return REPOSITORY


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab of this test alone: see `started`."""
    with started(tmp_path, masters=True) as address:
        yield address


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one JupyterLab for all tests."""
    with started(tmp_path_factory.mktemp("lab"), masters=True) as address:
        yield address


@contextmanager
def started(folder: Path, masters: bool = False, **changes: str) -> Iterator[str]:
    """The address, token included, of a JupyterLab that `labkit lab` opened on a copy of the notebooks in a folder.

    `masters`: it opens the notebooks with the solutions; `changes`: of its environment.
    """
    shutil.copytree(REPOSITORY / "notebooks", folder / "notebooks")
    private = {  # what is set up at this machine must not change what the tests see, nor be changed
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    log = folder / "jupyter.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "labkit", "lab", "--no-browser", f"--port={_free_port()}", *["--masters"] * masters],
            cwd=folder,
            env={**os.environ, **private, **changes},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that server and kernels can be ended together
        )
    try:
        yield _address(server, log)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _address(server: subprocess.Popen, log: Path, limit: float = 60.0) -> str:
    """Wait until the server has printed its address, and return it."""
    end = time.monotonic() + limit
    while time.monotonic() < end and server.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+/\S*token=\w+", log.read_text()):
            return found.group()
        time.sleep(0.1)
    raise AssertionError(f"`labkit lab` gave no address within {limit:.0f} s; it wrote:\n{log.read_text()[-3000:]}")
