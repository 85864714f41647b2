"""Progress is kept, by several kernels at once; damaged files and folders that cannot be written harm nobody."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.exercises import check, progress, record

spec = importlib.util.spec_from_file_location("exercises_conftest", Path(__file__).with_name("conftest.py"))
helpers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(helpers)


def test_progress_is_kept_and_stays_done(session):
    assert "○ 00.1" in repr(progress())
    check("00.1", 3), check("00.1", 12), check("00.1", 5)
    (entry,) = json.loads((session / "exercises.json").read_text())["exercises"].values()
    assert entry["done"] and entry["tries"] == 3 and entry["answer"] == "12"
    assert "✓ 00.1 Atoms in a frame" in repr(progress("00")) and "1 of 2 done" in repr(progress("00_start_here"))
    assert "✓ 00.1" in progress()._repr_html_()


def test_optional_exercises_do_not_count():
    shown = progress("01")
    assert [one.number for one in shown.exercises if one.optional] == ["01.5"]
    assert shown.count(shown.exercises) == "0 of 4"


def test_a_notebook_without_exercises():
    with pytest.raises(ValueError, match="notebook '77' has no exercises; those with exercises: 00, 01"):
        progress("77")


DAMAGES = ["", "{", "[]", "null", "[" * 100_000, '{"format": 1}', '{"format": 1, "exercises": {"00.1": {"tries": ""}}}']


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
def test_a_damaged_record_is_kept_aside_and_said(session, damage):
    session.mkdir()
    (session / "exercises.json").write_text(damage)
    assert "damaged" in progress().note and "damaged" in progress()._repr_html_()
    verdict = check("00.1", 12)
    assert verdict and "exercises.damaged-1.json" in verdict.note and verdict.note in repr(verdict)
    assert (session / "exercises.damaged-1.json").read_text() == damage
    assert not check("00.1", 12).note and progress().note == ""


def test_bytes_that_are_no_text(session):
    session.mkdir()
    (session / "exercises.json").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in progress().note
    assert "damaged" in check("00.1", 12).note and (session / "exercises.damaged-1.json").exists()


def test_a_newer_record_stays_as_it_is(session):
    session.mkdir()
    newer = '{"format": 99, "exercises": {}}'
    (session / "exercises.json").write_text(newer)
    verdict = check("00.1", 12)
    assert verdict and "not saved" in verdict.note and "newer labkit" in verdict.note
    assert [path.read_text() for path in session.glob("*.json")] == [newer]


def test_a_folder_that_cannot_be_written_does_not_keep_from_an_answer(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    helpers.use(tmp_path / "file" / "session", monkeypatch)
    verdict = check("00.1", 12)
    assert verdict and "Your progress was not saved" in verdict.note and "LABKIT_SESSION" in verdict.note
    assert "not saved" in verdict._repr_html_()


def test_a_disk_that_refuses_to_write(session, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    check("00.1", 3)
    before = (session / "exercises.json").read_bytes()
    monkeypatch.setattr("labkit.files.os.replace", full)
    verdict = check("00.1", 12)
    assert verdict and "No space left" in verdict.note and (session / "exercises.json").read_bytes() == before


WRITE = """
import sys
from labkit.exercises import record
for k in range(20):
    assert record.keep(f"{sys.argv[1]}.{k + 1}", True, k) == ""
"""


def test_several_notebooks_at_once_lose_nothing(session):
    env = {**os.environ, "LABKIT_SESSION": str(session)}
    workers = [subprocess.Popen([sys.executable, "-c", WRITE, f"9{k}"], env=env) for k in range(3)]
    assert [worker.wait(120) for worker in workers] == [0, 0, 0]
    entries, note = record.entries()
    assert len(entries) == 60 and note == ""


def test_merge_keeps_what_is_done_in_either():
    def entry(tries, answer, when, done):
        return dict(tries=tries, answer=answer, when=when, done=done)

    a = {"01.1": entry(3, "5", "2025-02", "2025-02"), "01.2": entry(1, "1", "2025-01", "")}
    b = {"01.1": entry(1, "4", "2025-03", ""), "01.3": entry(1, "9", "2025-01", "2025-01")}
    for merged in (record.merge(a, b), record.merge(b, a)):
        assert merged["01.1"] == entry(3, "4", "2025-03", "2025-02")
        assert merged["01.2"] == a["01.2"] and merged["01.3"] == b["01.3"]
