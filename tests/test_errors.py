"""What notebooks show of errors and notes: a sentence, not a long traceback; a grey line, not a red box."""

import re
import warnings
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

import labkit
from labkit import notes
from labkit.datasets import DatasetWarning, GuessedKeys
from labkit.notes import note


@pytest.fixture
def shell():
    InteractiveShell.clear_instance()
    yield InteractiveShell.instance(colors="nocolor")
    InteractiveShell.clear_instance()


CELL = "import labkit\npath = 'no_such.xyz'\nlabkit.load(path)"


def test_a_cell_shows_the_sentence_and_tb_the_traceback(shell, capsys):
    shell.run_cell(CELL)
    seen = capsys.readouterr().out
    assert "no_such.xyz" in seen and "line 3 of the cell: labkit.load(path)" in seen
    assert "Traceback" not in seen and "reading.py" not in seen and len(seen.strip().splitlines()) == 2
    shell.run_line_magic("tb", "")
    assert "Traceback" in (long := capsys.readouterr().out) and "LabkitError" in long and "streams.py" in long


def test_other_errors_keep_their_traceback(shell, capsys):
    shell.run_cell("1 / 0")
    assert "Traceback" in capsys.readouterr().out


def test_without_a_notebook_a_guess_is_a_warning(tmp_path):
    frames = labkit.datasets.ice("train", n=50)[:2]
    frames.write(tmp_path / "mine.xyz")
    with pytest.warns(GuessedKeys, match="guessed; give energy_key=... to choose") as caught:
        labkit.load(tmp_path / "mine.xyz")
    assert issubclass(GuessedKeys, DatasetWarning) and caught[0].filename == __file__


def test_in_a_notebook_a_note_is_displayed_unless_it_is_ignored(monkeypatch):
    shown = []
    monkeypatch.setattr(notes, "_in_notebook", lambda: True)
    monkeypatch.setattr(notes, "_display", shown.append)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        note("energy from 'E0'", GuessedKeys)
        warnings.simplefilter("ignore", GuessedKeys)
        note("not this one", GuessedKeys)
    assert shown == ["energy from 'E0'"]


def test_a_question_mark_ends_its_sentence():
    """suggest() ends in '?': no full stop or comma follows it."""
    for path in Path(labkit.__file__).parent.rglob("*.py"):
        assert not re.search(r"\{suggest\((?:[^{}()]|\([^()]*\))*\)\}[.,]", path.read_text()), path
