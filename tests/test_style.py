"""What the whole repository keeps to: ruff, the layers, no circles between files, one class a name."""

import ast
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import networkx
import pytest

ONE_CONCEPT = 400  # lines in a file of the library
NOT_PHYSICS = {
    "cli",
    "doctor",
    "exercises",
    "jobs",
    "lab",
    "masters",
    "md",
    "notebooks",
    "panels",
    "runs",
    "session",
    "student",
    "train",
}

#: known exceptions: none
CIRCLES: set[tuple[str, ...]] = set()
CLASSES: set[str] = set()


def run(repository: Path, *line: str) -> str:
    done = subprocess.run(line, cwd=repository, capture_output=True, text=True, timeout=120)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_ruff(repository):
    assert run(repository, sys.executable, "-m", "ruff", "check", "--no-cache", ".") == ""


def test_layers(repository):
    assert run(repository, str(Path(sys.executable).parent / "lint-imports"), "--no-cache") == ""


def test_every_physics_folder_is_held_apart(repository):
    """A new folder of labkit is physics unless it is one of those that people see."""
    linter = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["importlinter"]
    (physics,) = [contract for contract in linter["contracts"] if contract["id"] == "physics"]
    children = {path.stem for path in (repository / "labkit").iterdir() if not path.name.startswith(("_", "."))}
    expected = {f"labkit.{name}" for name in children - NOT_PHYSICS - {"py"}}
    assert expected == set(physics["source_modules"])


def test_a_physics_module_that_imports_widgets_is_found(tmp_path, repository):
    """The layers' test can fail: one forbidden import in a copy is enough."""
    shutil.copytree(repository / "labkit", tmp_path / "labkit")
    shutil.copy(repository / "pyproject.toml", tmp_path)
    with (tmp_path / "labkit" / "base" / "system.py").open("a") as file:
        file.write("\nimport ipywidgets\n")
    assert "labkit.base.system -> ipywidgets" in run(
        tmp_path, str(Path(sys.executable).parent / "lint-imports"), "--no-cache"
    )


@pytest.mark.parametrize("word", ["import matplotlib.pyplot", "from matplotlib import pyplot"])
def test_pyplot_is_banned(word, tmp_path, repository):
    file = tmp_path / "plot.py"
    file.write_text(f"{word} as plt\n\nplt.plot()\n")
    config = str(repository / "pyproject.toml")
    line = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", config, str(file)]
    assert "TID251" in run(repository, *line)


def test_files_of_the_library_hold_one_concept(repository):
    long = {
        str(path.relative_to(repository)): lines
        for path in (repository / "labkit").rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > ONE_CONCEPT
    }
    assert long == {}


def imported(tree: ast.AST) -> Iterable[str]:
    """Names of what is imported, at the top or later, but for types only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from imported(node)


def circles(root: Path) -> set[tuple[str, ...]]:
    """Groups of files of the package in `root`, by module, each of which needs all others of its group."""
    files = {
        ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in root.rglob("*.py")
    }
    graph = networkx.DiGraph()
    for module, path in files.items():
        for name in imported(ast.parse(path.read_text())):
            needed = next((n for n in (name, name.rpartition(".")[0]) if n in files), None)
            if needed:
                graph.add_edge(module, needed)
    return {tuple(sorted(group)) for group in networkx.strongly_connected_components(graph) if len(group) > 1}


def classes_of_one_name(root: Path) -> dict[str, list[str]]:
    """Names that several classes of the package in `root` have, and where."""
    found = defaultdict(list)
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(root)))
    return {name: places for name, places in found.items() if len(places) > 1}


def test_no_circles_between_files(repository):
    assert circles(repository / "labkit") <= CIRCLES


def test_no_class_name_occurs_twice(repository):
    found = classes_of_one_name(repository / "labkit")
    assert set(found) <= CLASSES, found


def test_circles_and_twins_are_found(tmp_path):
    """Late imports close a circle, those for types only do not."""
    for name, text in {
        "a.py": "from p import b\nclass Same: ...",
        "b.py": "def late():\n    from p.c import x",
        "c.py": "import p.a\nfrom p.d import y",
        "d.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.c import x\nclass Same: ...",
    }.items():
        (tmp_path / "p").mkdir(exist_ok=True)
        (tmp_path / "p" / name).write_text(text)
    assert circles(tmp_path / "p") == {("p.a", "p.b", "p.c")}
    assert classes_of_one_name(tmp_path / "p") == {"Same": ["a.py", "d.py"]}
