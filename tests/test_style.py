"""What the whole repository keeps to: ruff, and the layers."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ONE_CONCEPT = 400  # lines in a file of the library
NOT_PHYSICS = {
    "cli",
    "doctor",
    "exercises",
    "generate",
    "jobs",
    "lab",
    "md",
    "notebooks",
    "panels",
    "runs",
    "session",
    "student",
}


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
