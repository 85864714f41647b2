"""nglview asks for the front end that JupyterLab has."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_core.paths import jupyter_path

from labkit.panels.structure import nglview_frontend


def served():
    files = [Path(f) / "package.json" for f in jupyter_path("labextensions", "nglview-js-widgets")]
    return next(json.loads(f.read_text())["version"] for f in files if f.is_file())


@pytest.mark.parametrize("before", ["", "import nglview; "])
def test_widgets_ask_for_what_is_served(before):
    script = (
        before
        + "from labkit.panels import StructurePanel; from ase.build import molecule; "
        + ("w = StructurePanel(molecule('H2O')).viewer.widget; print(w._view_module_version, w._model_module_version)")
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [served(), served()]


def test_without_the_extension_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(nglview_frontend, "shipped_version", lambda: None)
    modules = dict(sys.modules)
    nglview_frontend.use_installed()
    assert sys.modules == modules and nglview_frontend.versions() == {}
