"""How the folder of panels is laid out, and what a new panel costs."""

import ast
from collections import defaultdict
from pathlib import Path

import ipywidgets as widgets

from labkit import panels

KINDS = {"__init__", "view", "model", "figure", "summary", "script"}
OWN = {  # what no other panel has
    "structure": {"viewer", "nglview_frontend", "ellipsoid"},
    "train": {"drawn_fit", "compared"},
    "learning": {"chosen", "neural"},
    "spectra": {"mode"},
    "dynamics": {"spread"},
    "polarizability": {"tensor_frame"},
    "uncertainty": {"picked"},
}
COST = 150  # lines of a small panel


def folders(repository: Path) -> list[Path]:
    return [path for path in (repository / "labkit" / "panels").iterdir() if (path / "__init__.py").exists()]


def test_panels_have_files_of_the_same_names(repository) -> None:
    found = {path.name: {file.stem for file in path.glob("*.py")} for path in folders(repository)}
    del found["kit"]
    public = {vars(panels)[name] for name in panels.__all__}
    kinds = {kind.__module__ for kind in public if isinstance(kind, type) and issubclass(kind, widgets.Widget)}
    assert set(found) == {module.split(".")[2] for module in kinds} - {"kit"}  # whose Panel is for panels of one's own
    assert {name: kinds - KINDS - OWN.get(name, set()) for name, kinds in found.items() if kinds - KINDS} == {
        name: set() for name in OWN
    }


def test_a_small_panel_is_two_files_and_150_lines(repository) -> None:
    files = list((repository / "labkit" / "panels" / "timestep").glob("*.py"))
    assert len(files) == 2 and sum(len(file.read_text().splitlines()) for file in files) <= COST


def test_no_class_of_panels_has_the_name_of_another(repository) -> None:
    where = defaultdict(list)
    for file in (repository / "labkit").rglob("*.py"):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef):
                where[node.name].append(str(file.relative_to(repository)))
    assert [files for files in where.values() if len(files) > 1 and any("/panels/" in file for file in files)] == []


def test_all_modules_of_panels_are_public(repository) -> None:
    """So that nothing private can be imported from outside."""
    private = [path for path in (repository / "labkit" / "panels").rglob("_*.py") if path.name != "__init__.py"]
    assert private == []
