"""`labkit lab` on somebody else's folder: nothing in it runs before a cell does, and kernels are private."""

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("jupyterlab")
pytest.importorskip("ipykernel")

TRAP = "from pathlib import Path\nPath(__file__).with_suffix('.sprung').write_text('')\n"
#: modules of the server, of the kernel, and of what they import as they start or later
MODULES = (
    "jupyterlab", "jupyter_server", "ipykernel", "ipykernel_launcher", "IPython", "traitlets", "tornado", "zmq",
    "jupyter_client", "jupyter_core", "psutil", "debugpy", "comm", "matplotlib_inline", "jedi", "parso",
    "nest_asyncio2", "packaging", "platformdirs", "typing_extensions", "runpy", "site", "sitecustomize",
    "usercustomize", "json", "asyncio", "logging",
)  # fmt: skip


def answer(address: str, path: str, data: dict | None = None):
    parts = urlsplit(address)
    token = parse_qs(parts.query)["token"][0]
    body = None if data is None else json.dumps(data).encode()
    request = Request(f"{parts.scheme}://{parts.netloc}/api/{path}", body, {"Authorization": f"token {token}"})
    with urlopen(request, timeout=30) as found:
        return json.load(found)


def traps(folder: Path) -> None:
    for name in MODULES:
        (folder / f"{name}.py").write_text(TRAP)
    (folder / "own_module.py").write_text("value = 42\n")
    (folder / "jupyter_server_config.py").write_text(TRAP)
    (folder / "ipython_config.py").write_text(TRAP)


def test_nothing_of_a_folder_runs_and_kernels_are_private(tmp_path) -> None:
    from jupyter_client import BlockingKernelClient

    from tests.conftest import started

    (tmp_path / "lab").mkdir()
    folder = tmp_path / "lab"
    traps(folder)
    runtime = Path(os.environ.get("TMPDIR", "/tmp")) / f"lk{os.getpid()}"  # short, as a socket's path has to be
    with started(folder, JUPYTER_RUNTIME_DIR=str(runtime)) as address:
        traps(folder / "notebooks")
        made = answer(address, "sessions", {
            "path": "notebooks/00_start_here.ipynb", "type": "notebook", "name": "", "kernel": {"name": "python3"}
        })  # fmt: skip
        (file,) = _waited(lambda: list(runtime.glob(f"kernel-{made['kernel']['id']}.json")))
        client = BlockingKernelClient(connection_file=str(file))
        client.load_connection_file()
        client.start_channels(hb=False)
        try:
            client.wait_for_ready(timeout=60)
            client.complete("impor", reply=True, timeout=30)  # imports jedi
            assert not list(folder.rglob("*.sprung"))
            assert ask(client, "own_module.value", before="import own_module") == "42"
            assert ask(client, "(sys.flags.safe_path, sys.path[-1])", before="import sys") == "(True, '')"
            assert ask(client, "os.path.basename(os.getcwd())", before="import os") == "'notebooks'"
            assert not list(folder.rglob("*.sprung"))
            connection = json.loads(file.read_text())
            if os.name == "posix":
                assert connection["transport"] == "ipc"
                sockets = [p for p in runtime.iterdir() if stat.S_ISSOCK(p.stat().st_mode)]
                assert len(sockets) == 5 and runtime.stat().st_mode & 0o077 == 0
            state = lambda: answer(address, f"kernels/{made['kernel']['id']}")["execution_state"]  # noqa: E731
            _waited(lambda: state() == "idle")  # as the server sees it, through its own connection
            answer(address, f"kernels/{made['kernel']['id']}/restart", {})
            client.wait_for_ready(timeout=60)
            assert ask(client, "6 * 7", before="") == "42"
        finally:
            client.stop_channels()
            shutil.rmtree(runtime)


def ask(client, expression: str, before: str) -> str:
    reply = client.execute(before, user_expressions={"x": expression}, reply=True, timeout=30)
    found = reply["content"]["user_expressions"]["x"]
    return found["data"]["text/plain"] if found["status"] == "ok" else str(found)


def _waited(look, seconds: float = 60.0):
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def test_a_long_path_has_no_sockets(tmp_path, monkeypatch) -> None:
    import argparse

    from labkit.lab import command

    (tmp_path / "a.ipynb").write_text("{}")
    asked = argparse.Namespace(no_browser=True, port=None)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", "/" + "x" * 70)
    assert "--KernelManager.transport=ipc" not in command(tmp_path / "a.ipynb", asked)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", "/x")
    line = command(tmp_path / "a.ipynb", asked)
    assert ("--KernelManager.transport=ipc" in line) is (os.name == "posix") and line[1] == "-P"


def test_a_script_of_a_students_folder_finds_its_modules(tmp_path) -> None:
    """What kernels are given does not reach the programs that are started from them."""
    from labkit.lab import environment

    (tmp_path / "own_module.py").write_text("value = 42\n")
    (tmp_path / "script.py").write_text("import own_module\nprint(own_module.value)\n")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert done.stdout == "42\n"
