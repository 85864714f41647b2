"""What is installed: versions, compute, memory, the programs used by the notebooks and their tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import labkit
from labkit.doctor.check import INSTALL, Check
from labkit.errors import LabkitError
from labkit.lab import environment

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MEMORY = 1.5  # GB that a notebook and the browser may use together


def python() -> Iterator[Check]:
    required = metadata.metadata("labkit")["Requires-Python"]
    here = ".".join(map(str, sys.version_info[:3]))
    good = SpecifierSet(required).contains(here)
    yield Check("python", "ok" if good else "fail", here, "" if good else f"install a Python {required}")


def packages() -> Iterator[Check]:
    """Packages for labkit, then for notebooks and gap_fit, compared with required ranges and tested versions."""
    pins = _pins()
    for requirement in map(Requirement, metadata.requires("labkit") or []):
        extra = next((e for e in ("", "lab", "gap") if _applies(requirement, e)), None)
        if extra is None:
            continue
        name, bad = requirement.name, "note" if extra else "fail"
        try:
            version = Version(metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Check(name, bad, "not installed" + (f" (needed by [{extra}])" if extra else ""), INSTALL)
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            yield Check(name, bad, f"{version}, needed {requirement.specifier}", INSTALL)
        elif name in pins and Version(pins[name]).public != version.public:
            yield Check(name, "note", f"{version}, tested with {pins[name]}", f"if something fails: {INSTALL}")
        else:
            yield Check(name, "ok", str(version))


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _pins() -> dict[str, str]:
    """The versions in constraints.txt, if labkit runs from its repository."""
    file = Path(labkit.__file__).resolve().parents[1] / "constraints.txt"
    lines = file.read_text().splitlines() if file.is_file() else []
    return dict(line.strip().split("==") for line in lines if "==" in line and not line.startswith("#"))


def compute() -> Iterator[Check]:
    from labkit.config import config

    try:
        settings = config()
    except LabkitError as error:
        yield Check("compute", "fail", str(error), "unset the variable, or set it as stated")
        return
    found = f"device {settings.device}, {settings.threads} threads, mode {settings.mode}"
    yield Check("compute", "ok", found)


def memory() -> Iterator[Check]:
    """Memory that is free now, also inside a container with its own limit."""
    free = [_meminfo(), _container_free()]
    known = [amount for amount in free if amount is not None]
    if not known:
        yield Check("memory", "note", "unknown", "install psutil: " + INSTALL)
        return
    good = min(known) >= MEMORY
    mend = "" if good else f"close other programs: a notebook may need {MEMORY} GB"
    yield Check("memory", "ok" if good else "note", f"{min(known):.1f} GB available", mend)


def _meminfo() -> float | None:
    try:
        import psutil
    except ImportError:
        return None
    return psutil.virtual_memory().available / 1e9


def _container_free() -> float | None:
    group = Path("/sys/fs/cgroup")
    try:
        return (int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())) / 1e9
    except (OSError, ValueError):  # no such limit, or "max"
        return None


def nglview() -> Iterator[Check]:
    """The front end that the kernel needs must be the one that JupyterLab has, or no molecule is shown."""
    name = "nglview front end"
    if not _installed("nglview"):
        yield Check(name, "note", "nglview is not installed", INSTALL)
        return
    from labkit.panels.structure import nglview_frontend

    shipped = nglview_frontend.shipped_version()
    if shipped is None:
        yield Check(name, "fail", "JupyterLab has none", "python -m pip install --force-reinstall nglview")
        return
    nglview_frontend.use_installed()
    from nglview import NGLWidget

    needed = NGLWidget.class_traits()["_view_module_version"].default_value
    if needed == shipped:
        yield Check(name, "ok", shipped)
    else:
        yield Check(name, "fail", f"nglview needs {needed}, JupyterLab has {shipped}", INSTALL)


def gap_fit() -> Iterator[Check]:
    """The gap_fit program, needed only for comparisons; found on PATH or next to this Python."""
    program = shutil.which("gap_fit", path=environment()["PATH"])
    if program is None:
        yield Check("gap_fit", "note", "not found", 'python -m pip install -e ".[gap]" -c constraints.txt')
        return
    done = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=60)
    version = re.search(r"git version\s+\S*?,?(\S+)$", done.stdout, re.MULTILINE)
    if version is None:
        why = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        yield Check("gap_fit", "note", f"{program} does not start: {why[0]}", "reinstall quippy-ase: " + INSTALL)
    else:
        yield Check("gap_fit", "ok", f"{version.group(1).rpartition(',')[2]} in {Path(program).parent}")


def chromium() -> Iterator[Check]:
    """Any browser shows the notebooks; only the browser tests need this one."""
    path = find_chromium()
    mend = "only the browser tests need it: apt-get install chromium, or set LABKIT_CHROMIUM to a path"
    yield Check("chromium", "ok" if path else "note", path or "not found", "" if path else mend)


def find_chromium() -> str | None:
    """Return the path of a Chromium: LABKIT_CHROMIUM if set, else one on PATH, or None."""
    named = os.environ.get("LABKIT_CHROMIUM")
    return next((path for path in map(shutil.which, [named] if named else CHROMIUM) if path), None)


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
