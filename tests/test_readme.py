"""What the README says to type works."""

import re
import subprocess
import sys

import pytest

from labkit.cli import COMMANDS


@pytest.fixture
def readme(repository):
    return (repository / "README.md").read_text()


def test_commands_exist(readme, repository):
    """Each `make TARGET` and `labkit COMMAND` is one that there is."""
    makefile = (repository / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    code = "\n".join(re.findall(r"^    .*$|`[^`\n]+`", readme, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", code))
    assert {"lab", "test", "run", "bench"} <= named <= targets
    assert set(re.findall(r"(?:^|`| )labkit ([a-z]+)\b", code, re.MULTILINE)) <= {*COMMANDS, "version"}


def test_files_exist(readme, repository):
    for name in re.findall(r"`((?:notebooks|data|tests|benchmarks|docs|binder)/[\w./]*)`", readme):
        assert (repository / name).exists(), name
    for name in re.findall(r"^\| `(\d\d_\w+)` \|", readme, re.MULTILINE):
        assert (repository / "notebooks" / f"{name}.ipynb").is_file(), name


@pytest.mark.slow
def test_script_runs(readme, tmp_path):
    (script,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "meV/Å" in done.stdout and (tmp_path / "ice.safetensors").stat().st_size > 0
