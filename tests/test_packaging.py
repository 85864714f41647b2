"""The lists of packages agree with each other, and Binder's set-up is one that repo2docker takes."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

# The same package under conda-forge's name.
CONDA = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}


@pytest.fixture
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


def ranges(lines):
    """{name: set of version limits} of requirement lines, with the same names for conda and pip."""
    requirements = [Requirement(line.replace(" ", "")) for line in lines]
    return {CONDA.get(r.name, r.name): {str(limit) for limit in r.specifier} for r in requirements if r.name != "pip"}


def environment(file):
    content = yaml.safe_load(file.read_text())
    plain = [line for line in content["dependencies"] if isinstance(line, str)]
    (pip,) = [entry["pip"] for entry in content["dependencies"] if not isinstance(entry, str)]
    return content, plain, pip


def test_environment_yml_agrees_with_pyproject(repository, project):
    _, plain, pip = environment(repository / "environment.yml")
    assert "-e ." in pip
    found = ranges(plain + [line for line in pip if line != "-e ."])
    extras = project["optional-dependencies"]
    assert found.pop("python") == set(project["requires-python"].split(","))
    everything = [extras[name] for name in ("lab", "gap", "forcefield", "trajectories", "lammps")]
    assert found == ranges(sum(everything, project["dependencies"]))


def test_binder_has_the_same_packages(repository, project):
    content, plain, pip = environment(repository / "environment.yml")
    binder, binder_plain, binder_pip = environment(repository / "binder" / "environment.yml")
    (python,) = [line for line in binder_plain if line.startswith("python=")]
    assert Requirement(f"x{project['requires-python']}").specifier.contains(python.split("=")[1])
    others = [line for line in plain if not line.startswith("python ")]
    assert [line for line in binder_plain if line != python] == others
    assert binder_pip == [line for line in pip if line != "-e ."]
    assert binder["channels"] == content["channels"]


def test_one_line_installs_what_notebooks_need(repository):
    """README, Makefile and the sentences about what is missing name the same extras."""
    files = [repository / "README.md", repository / "Makefile", *(repository / "labkit").rglob("*.py")]
    found = {extras for file in files for extras in re.findall(r"\[(lab,[a-z,]+)\]", file.read_text())}
    assert found == {"lab,gap,forcefield,trajectories,lammps", "lab,gap,forcefield,trajectories,lammps,dev"}


def test_constraints_pin_every_direct_dependency_within_its_range(repository, project):
    lines = (repository / "constraints.txt").read_text().split()
    pins = {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in map(Requirement, sum(groups, [])):
        assert requirement.specifier.contains(Version(pins[requirement.name])), requirement


def test_what_is_tested_here_is_what_is_pinned(repository):
    """A test run says nothing about constraints.txt when it runs with other versions."""
    from importlib.metadata import version

    pins = dict(line.split("==") for line in (repository / "constraints.txt").read_text().split())
    for name in ("torch", "numpy", "ase", "quippy-ase", "nglview", "jupyterlab", "ipykernel", "ipywidgets"):
        assert Version(version(name)).public == pins[name], f"{name}: run `make test` to install the pinned versions"


def test_repo2docker_takes_the_binder_folder(repository):
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=120,
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-2000:]
    assert "Building conda environment for python=3.11" in text
    assert 'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"' in text
    assert "RUN ./binder/postBuild" in text and "/binder/start" in text


def test_binder_starts_fast_and_with_one_thread(repository):
    show = "echo $LABKIT_MODE $LABKIT_THREADS $OMP_NUM_THREADS $MKL_NUM_THREADS $OPENBLAS_NUM_THREADS"
    done = subprocess.run(
        [repository / "binder" / "start", "sh", "-c", show], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["fast", "1", "1", "1", "1"]


def test_binder_opens_a_copy_without_solutions(repository, tmp_path):
    """What postBuild writes is what JupyterLab, as binder/start starts it, opens where the address names nothing."""
    (line,) = re.findall(r"^python -m labkit (student .*)$", (repository / "binder" / "postBuild").read_text(), re.M)
    shutil.copytree(repository / "notebooks", tmp_path / "notebooks")
    subprocess.run([sys.executable, "-m", "labkit", *line.split()], cwd=tmp_path, check=True, capture_output=True)
    shown = subprocess.run(
        [repository / "binder" / "start", sys.executable, "-m", "jupyterlab", "--show-config-json"],
        cwd=tmp_path,
        env={**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path / "config")},
        capture_output=True,
        text=True,
        check=True,
    )
    settings = json.loads(shown.stdout[shown.stdout.index("{") :])
    opened = tmp_path / settings["LabApp"]["default_url"].removeprefix("/lab/tree/")
    assert opened.name == "00_start_here.ipynb" and opened.parent.name == "student"
    assert "begin solution" not in opened.read_text() and "answer = ..." in opened.read_text()
