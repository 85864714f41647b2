"""The catalogue, the tool that seals, and files of answers that are broken."""

import json
import re

import pytest

from labkit.errors import LabkitError
from labkit.exercises import catalogue as module
from labkit.exercises.catalogue import catalogue, exercise, find, sealed_exercises
from labkit.exercises.expected import Expected
from labkit.exercises.judge import judge
from labkit.exercises.seal import main


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """Sealed records are written to, and read from, another folder."""
    (tmp_path / "answers").mkdir()
    monkeypatch.setattr("labkit.exercises.seal.HERE", tmp_path)
    return tmp_path / "answers"


def test_numbers_are_in_order_and_titles_there():
    known = catalogue()
    assert list(known)[:3] == ["00.1", "00.2", "01.1"]
    assert list(known) == sorted(known, key=lambda number: [int(part) for part in number.split(".")])
    assert all(one.title for one in known.values()) and find("01.2").data == ("without", "design")


def test_shipped_answers_hold_nothing_but_hashes():
    paths = list((module.HERE / "answers").glob("*.json"))
    assert paths and {path.stem for path in paths} <= {one.notebook for one in catalogue().values()}
    for path in paths:
        for record in json.loads(path.read_text()).values():
            plain = set(record) - {"title", "unit", "optional", "text", "rel", "abs", "why", "among", "factors"}
            assert plain == {"salt", "hashes"} or plain == {"salt", "hashes", "known"}
            for one in [record["salt"], *record["hashes"], *record.get("known", {})]:
                assert re.fullmatch("[0-9a-f]{32}", one)


def test_seal_writes_what_check_reads(answers, capsys):
    line = ["98.1", "412", "--rel", "0.05", "--title", "An error", "--unit", "meV/Å", "--why", "As it should be."]
    line += ["--mistake", "380", "Training frames.", "--factor", "12", "Divide by the atoms."]
    assert main(line) == 0 and "98.1" in capsys.readouterr().out
    assert main(["98.2", "forces", "--title", "A word", "--among", "energy", "forces", "--optional"]) == 0
    number, word = sealed_exercises(answers / "98.json")
    said = [judge(number, number.target(), value) for value in (415, 381, 0.412, 12 * 412)]
    assert said[0] == (True, "As it should be.") and said[1] == (False, "Training frames.")
    assert "in eV/Å" in said[2][1] and said[3] == (False, "Divide by the atoms.")
    assert word.optional and judge(word, word.target(), "Forces")[0] and not judge(word, word.target(), "energy")[0]


def test_seal_again_replaces_one_record_only(answers):
    for value in ("1", "2", "3"):
        assert main([f"98.{1 if value != '2' else 2}", value, "--title", value]) == 0
    records = json.loads((answers / "98.json").read_text())
    assert {number: record["title"] for number, record in records.items()} == {"98.1": "3", "98.2": "2"}


@pytest.mark.parametrize("line", [["1", "2"], ["98.1", "0", "--rel", "0.1"], ["98.1", "5", "--rel", "-1"]])
def test_seal_refuses_in_words(answers, line, capsys):
    assert main([*line, "--title", "x"]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and list(answers.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", '{"98.1": {}}', '{"98.1": {"title": "x"}}', '{"98.1": 3}'])
def test_a_broken_file_of_answers_is_named(tmp_path, text):
    (tmp_path / "98.json").write_text(text)
    with pytest.raises(LabkitError, match="98.json: is not a file of sealed answers"):
        list(sealed_exercises(tmp_path / "98.json"))


def test_two_with_one_number_and_numbers_that_are_none(monkeypatch):
    catalogue()
    monkeypatch.setattr(module, "_made", dict(module._made))
    with pytest.raises(LabkitError, match="two exercises have the number 01.1"):
        exercise("01.1", "again")(lambda: Expected(1))
    with pytest.raises(LabkitError, match="expected one such as '01.2'"):
        exercise("1.1", "short")(lambda: Expected(1))
