import subprocess
import sys

import pytest

from labkit import __version__
from labkit.cli import COMMANDS, main


def test_version(capsys):
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"labkit {__version__}\n"


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"labkit {command}" in capsys.readouterr().out


def test_bad_input_is_one_sentence_and_exit_code_2(capsys, tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["run", "no_such_notebook"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("labkit: ") and "no_such_notebook" in error
    assert "Traceback" not in error and error.count("\n") == 1


def test_unknown_command_is_wrong_use(capsys):
    with pytest.raises(SystemExit) as end:
        main(["brew"])
    assert end.value.code == 2
    assert "brew" in capsys.readouterr().err


def test_starts_without_torch():
    """Help and mistakes answer at once: nothing heavy is imported before a command is chosen."""
    code = "import sys, labkit.cli; sys.exit(any(m in sys.modules for m in ('torch', 'ase', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
