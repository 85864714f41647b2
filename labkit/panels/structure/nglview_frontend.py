"""nglview, set to request the front end that is installed."""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


def shipped_version() -> str | None:
    """The version of nglview's front end that JupyterLab serves, or None if there is none."""
    from jupyter_core.paths import jupyter_path

    for folder in jupyter_path("labextensions", "nglview-js-widgets"):
        file = Path(folder) / "package.json"
        if file.is_file():
            return json.loads(file.read_text())["version"]
    return None


def use_installed() -> None:
    """Make nglview request the installed front end; call before nglview is first imported.

    nglview 4.0.1 asks for 4.0 and ships 3.1.5: without this no molecule shows ("version 4.0 is not registered").
    Its widget classes read the version from `nglview._frontend` when they are defined; so that module is created here.
    If nglview was imported before, only widgets made with `versions()` are right.
    """
    version, name = shipped_version(), "nglview._frontend"
    if version is None:
        return
    if name not in sys.modules:
        module = ModuleType(name, "The version of the front end, as installed.")
        module.__spec__ = ModuleSpec(name, None)
        sys.modules[name] = module
    sys.modules[name].__frontend_version__ = version  # type: ignore[attr-defined]


def versions() -> dict[str, str]:
    """Arguments for a widget of nglview: `NGLWidget(**versions())`."""
    version = shipped_version()
    return {"_view_module_version": version, "_model_module_version": version} if version else {}
