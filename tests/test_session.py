"""A session goes through a zip and comes back; a zip that is damaged, unsafe or of another tool changes nothing."""

import base64
import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from labkit.cli import main
from labkit.config import config
from labkit.errors import LabkitError
from labkit.exercises import check, progress
from labkit.leftovers import locked_folder, temporary_beside
from labkit.session import archive, export_link, export_session, import_session, link


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A function that makes a folder of this name the session's."""

    def use(name):
        changed = replace(config(), session=tmp_path / name)
        for module in ("labkit.exercises.record", "labkit.session.transfer", "labkit.session"):
            monkeypatch.setattr(f"{module}.config", lambda: changed)
        return tmp_path / name

    return use


@pytest.fixture
def packed(session, tmp_path):
    """A zip of a session with an answer, a run and a model; then the session is another, empty one."""
    folder = session("old")
    check("00.1", 12)
    (folder / "runs").mkdir()
    (folder / "runs" / "1.json").write_text('{"a": 1}')
    (folder / "runs" / "1.safetensors").write_bytes(bytes(range(256)) * 100)
    export_session(tmp_path / "s.zip")
    session("new")
    return tmp_path / "s.zip"


def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def shown(folder):
    """Files but the lock, which is hidden."""
    return {name: content for name, content in tree(folder).items() if not name.startswith(".")}


def rewrite(path, change=lambda files: None, change_list=lambda head: None):
    """The zip again, with other entries, and their sums made right unless `change_list` makes them wrong."""
    with zipfile.ZipFile(path) as old:
        files = {name.removeprefix(archive.FOLDER): old.read(name) for name in old.namelist() if name != archive.LIST}
        head = json.loads(old.read(archive.LIST))
    change(files)
    head["files"] = {name: {"size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for name, c in files.items()}
    change_list(head)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in files.items():
            new.writestr(archive.FOLDER + name, content)
        new.writestr(archive.LIST, json.dumps(head))


def refused(path, tmp_path, match):
    """The import fails in words, and neither the session nor what is around it has changed."""
    new = tmp_path / "new"
    new.mkdir(exist_ok=True)
    (new / "mine.txt").write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(LabkitError, match=match) as caught:
        import_session(path)
    assert "\n" not in str(caught.value) and tree(tmp_path) == before
    assert [p.name for p in new.iterdir()] == ["mine.txt"]


def test_there_and_back(packed, tmp_path):
    assert not progress("00").entries
    done = import_session(packed)
    assert sorted(done.added) == ["exercises.json", "runs/1.json", "runs/1.safetensors"] and not done.replaced
    assert shown(tmp_path / "new") == shown(tmp_path / "old")
    assert "✓ 00.1" in repr(progress())


def test_again_changes_nothing(packed, tmp_path):
    import_session(packed)
    before = tree(tmp_path / "new")
    done = import_session(packed)
    assert (done.added, done.replaced, done.merged) == ([], {}, ["exercises.json"]) and len(done.there) == 2
    assert tree(tmp_path / "new") == before


def test_exercises_of_both_are_done(packed, tmp_path):
    (tmp_path / "new").mkdir()
    check("00.1", 4)
    here = json.loads((tmp_path / "new" / "exercises.json").read_text())
    here["exercises"]["01.1"] = {"tries": 2, "answer": "7", "when": "2025", "done": "2025"}
    (tmp_path / "new" / "exercises.json").write_text(json.dumps(here))
    assert import_session(packed).merged == ["exercises.json"]
    entries = progress().entries
    assert entries["00.1"]["done"] and entries["01.1"]["done"] == "2025"


def test_what_differs_is_kept_aside(packed, tmp_path):
    (tmp_path / "new" / "runs").mkdir(parents=True)
    (tmp_path / "new" / "runs" / "1.json").write_text("mine")
    done = import_session(packed)
    (aside,) = done.replaced.values()
    assert aside.read_text() == "mine" and aside.is_relative_to(tmp_path / "new" / "aside")
    assert (tmp_path / "new" / "runs" / "1.json").read_text() == '{"a": 1}' and str(aside) in repr(done)


def test_a_damaged_record_here_is_kept_and_said(packed, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "exercises.json").write_text("{")
    assert "exercises.damaged-1.json" in repr(import_session(packed))
    assert progress().entries["00.1"]["done"] and (tmp_path / "new" / "exercises.damaged-1.json").read_text() == "{"


def test_a_newer_record_here_stops_all(packed, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "exercises.json").write_text('{"format": 99, "exercises": {}}')
    with pytest.raises(LabkitError, match="newer labkit"):
        import_session(packed)
    assert list(shown(tmp_path / "new")) == ["exercises.json"]


def test_a_damaged_record_in_the_zip(packed, tmp_path):
    for content in (b"{", b"\xff\xfe"):
        rewrite(packed, lambda files, content=content: files.update({"exercises.json": content}))
        refused(packed, tmp_path, "exercises.json of the import.*damaged")


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 and then nothing"])
def test_no_zip(content, tmp_path, session):
    session("new")
    (tmp_path / "s.zip").write_bytes(content)
    refused(tmp_path / "s.zip", tmp_path, "s.zip: is not a zip file, or a damaged one")


def test_no_file_and_a_folder(tmp_path, session):
    session("new")
    refused(tmp_path / "none.zip", tmp_path, "none.zip: no such file")
    refused(tmp_path, tmp_path, "could not import")


def test_a_cut_or_changed_zip(packed, tmp_path):
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) // 2])
    refused(packed, tmp_path, "is not a zip file, or a damaged one.*nothing was imported")
    at = whole.index(b"runs/1.safetensors") + 60  # within the compressed bytes of this file
    packed.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    refused(packed, tmp_path, "is not a zip file, or a damaged one.*nothing was imported")


def test_a_zip_of_another_tool(tmp_path, session):
    session("new")
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as other:
        other.writestr("readme.txt", "hello")
    refused(tmp_path / "s.zip", tmp_path, "not a labkit session.*labkit session export")


UNSAFE = ["../evil", "runs/../../evil", "/etc/evil", "a\\..\\evil", "C:/evil", "a//b", ".hidden", "a/.b", "", "a\nb"]


@pytest.mark.parametrize("name", UNSAFE)
def test_names_that_lead_elsewhere(name, packed, tmp_path):
    rewrite(packed, lambda files: files.update({name: b"evil"}))
    refused(packed, tmp_path, re.escape(f"the name {name!r} is hidden or leads out of the folder"))
    assert not (tmp_path / "evil").exists() and not (tmp_path.parent / "evil").exists()


def test_entries_beside_the_list(packed, tmp_path):
    with zipfile.ZipFile(packed, "a") as more:
        more.writestr("../evil", "evil")
    refused(packed, tmp_path, "does not match its labkit-session.json: '../evil'")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice(packed, tmp_path):
    with zipfile.ZipFile(packed, "a") as more:
        more.writestr("session/runs/1.json", "other")
    refused(packed, tmp_path, "duplicate entry")


@pytest.mark.parametrize("name", ["RUNS/1.json", "runs", "runs/1.json/x"])
def test_names_that_meet_in_one_place(name, packed, tmp_path):
    rewrite(packed, lambda files: files.update({name: b"x"}))
    refused(packed, tmp_path, "the same name")


def test_links_are_refused(packed, tmp_path):
    rewrite(packed, lambda files: files.update({"link": b"/etc/passwd"}))
    with zipfile.ZipFile(packed) as old:
        content = {info: old.read(info) for info in old.infolist()}
    with zipfile.ZipFile(packed, "w") as new:
        for info, data in content.items():
            if info.filename.endswith("link"):
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            new.writestr(info, data)
    refused(packed, tmp_path, "is a link")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda head: head.update(format=99), "newer format"),
        (lambda head: head.pop("files"), "damaged"),
        (lambda head: head.update(files=[1]), "damaged"),
        (lambda head: head["files"]["runs/1.json"].update(size=-1), "damaged"),
        (lambda head: head["files"]["runs/1.json"].update(size=10**12), "at most"),
        (lambda head: head["files"]["runs/1.json"].update(size=3), "size and checksum"),
        (lambda head: head["files"]["runs/1.json"].update(sha256="0" * 64), "size and checksum"),
        (lambda head: head["files"].pop("runs/1.json"), "does not match its"),
        (lambda head: head["files"].update({f"f{k}": dict(size=0, sha256="") for k in range(20_001)}), "at most 20000"),
    ],
)
def test_lists_that_do_not_agree(change, match, packed, tmp_path):
    rewrite(packed, change_list=change)
    refused(packed, tmp_path, match)


def test_a_bomb_ends_at_its_declared_size(packed, tmp_path):
    rewrite(
        packed,
        lambda files: files.update(bomb=bytes(200_000_000)),
        lambda head: head["files"]["bomb"].update(size=10),
    )
    assert packed.stat().st_size < 1_000_000
    refused(packed, tmp_path, "size and checksum")


def test_something_stands_in_the_way(packed, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "runs").write_text("a file")
    with pytest.raises(LabkitError, match="runs: is in the way of runs/1.json"):
        import_session(packed)
    assert list(tree(tmp_path / "new")) == ["runs"]


def test_a_session_s_folder_that_cannot_be(packed, tmp_path, session):
    (tmp_path / "file").write_text("")
    session("file/session")
    with pytest.raises(LabkitError, match="could not import.*LABKIT_SESSION"):
        import_session(packed)


def test_a_disk_that_fills_up_leaves_what_was_there(packed, tmp_path, monkeypatch):
    (tmp_path / "new" / "runs").mkdir(parents=True)
    (tmp_path / "new" / "runs" / "1.json").write_text("mine")
    replace_, count = os.replace, []

    def full(one, other):
        count.append(one)
        if len(count) == 2:  # the record of exercises is in its place, the next file is not
            raise OSError(28, "No space left on device")
        replace_(one, other)

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(LabkitError, match="No space left"):
        import_session(packed)
    monkeypatch.undo()
    assert (tmp_path / "new" / "runs" / "1.json").read_text() == "mine"


def test_links_hidden_files_and_the_zip_itself_are_not_exported(session, tmp_path):
    folder = session("old")
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    (folder / ".a.txt.x.tmp").write_text("half")
    (folder / ".import-x").mkdir()
    (folder / ".import-x" / "b").write_text("b")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "folder").symlink_to(tmp_path)
    assert export_session(folder / "s.zip") == ["a.txt"]
    assert export_session(folder / "s.zip", overwrite=True) == ["a.txt"]


def test_nothing_to_export_and_a_file_that_is_there(session, tmp_path):
    folder = session("old")
    with pytest.raises(LabkitError, match="nothing to export"):
        export_session(tmp_path / "s.zip")
    assert "nothing to export" in export_link()._repr_html_()
    folder.mkdir()
    (folder / "a").write_text("a")
    (tmp_path / "s.zip").write_text("other")
    with pytest.raises(LabkitError, match="--overwrite"):
        export_session(tmp_path / "s.zip")
    assert (tmp_path / "s.zip").read_text() == "other"
    with pytest.raises(LabkitError, match="could not be written"):
        export_session(tmp_path / "no" / "s.zip")


def test_the_link_carries_the_session(session, packed, tmp_path, monkeypatch):
    session("old")
    html = export_link()._repr_html_()
    content = base64.b64decode(re.search(r"base64,([^\"]+)", html).group(1))
    (tmp_path / "link.zip").write_bytes(content)
    session("other")
    assert len(import_session(tmp_path / "link.zip").added) == 3
    monkeypatch.setattr(link, "LARGEST", 10)
    monkeypatch.chdir(tmp_path)
    assert "is next to this notebook" in export_link()._repr_html_()
    session("third")
    assert len(import_session("labkit-session.zip").added) == 3


def test_the_commands(session, packed, tmp_path, capsys):
    session("old")
    assert main(["session", "export", str(tmp_path / "t.zip")]) == 0 and "3 files" in capsys.readouterr().out
    assert main(["session", "export", str(tmp_path / "t.zip")]) == 2 and "--overwrite" in capsys.readouterr().err
    session("new")
    assert main(["session", "import", str(tmp_path / "t.zip")]) == 0 and "added 3 files" in capsys.readouterr().out
    assert main(["session", "import", str(tmp_path / "none.zip")]) == 2 and "no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["exercises.json/x", "Exercises.json", "EXERCISES.JSON/x", "runs", "Runs", "aside", "exercises.json/a/b"]
)
def test_files_where_the_session_has_folders_and_the_reverse(name, packed, tmp_path):
    def change(files):
        if name.casefold().startswith("exercises"):
            files.pop("exercises.json")
        for old in [x for x in files if x.startswith("runs/") and name.casefold() == "runs"]:
            files.pop(old)
        files[name] = b"x"

    rewrite(packed, change)
    refused(packed, tmp_path, f"it holds '{name}', but .* of a session; nothing was imported")


def killed(code):
    """Run code in a process that kills itself."""
    done = subprocess.run([sys.executable, "-c", f"import os, signal\n{code}\nos.kill(os.getpid(), signal.SIGKILL)"])
    assert done.returncode == -signal.SIGKILL


def test_what_killed_processes_left_is_removed_at_the_next_start(packed, tmp_path):
    """Half an import, half an export and half a record; but not what a living process writes."""
    folder = tmp_path / "new"
    folder.mkdir()
    killed(
        f"""
from pathlib import Path
from labkit.leftovers import locked_folder, temporary_beside
folder = Path({str(folder)!r})
made = locked_folder(folder, ".import-"), temporary_beside(folder / "exercises.json")
made += (temporary_beside(folder.parent / "out.zip"),)
(made[0].__enter__() / "half").write_text("x"), made[1].__enter__(), made[2].__enter__()"""
    )
    (folder / ".import-abcd1234").mkdir()  # of an earlier version, which had no lock
    assert len(list(folder.iterdir())) == 3 and len(list(tmp_path.glob(".out.zip.*.tmp"))) == 1
    with locked_folder(folder, ".import-") as alive, temporary_beside(folder / "exercises.json") as writing:
        import_session(packed)
        export_session(tmp_path / "out.zip")
        assert alive.exists() and writing.exists()
        assert [p.name for p in folder.iterdir() if p.name.startswith(".import-")] == [alive.name]
        assert list(folder.glob(".*.tmp")) == [writing] and not list(tmp_path.glob(".out.zip.*.tmp"))
    assert not alive.exists() and not writing.exists()


def test_what_is_kept_aside_is_in_the_order_of_imports(packed, tmp_path, monkeypatch):
    class Clock(datetime):
        now_is = datetime(2030, 1, 1)

        @classmethod
        def now(cls, zone=None):
            cls.now_is -= timedelta(days=1)
            return cls.now_is

    monkeypatch.setattr("labkit.session.transfer.datetime", Clock)
    for content in ("first", "second", "third"):
        (tmp_path / "new" / "runs").mkdir(parents=True, exist_ok=True)
        (tmp_path / "new" / "runs" / "1.json").write_text(content)
        import_session(packed)
    kept = sorted((tmp_path / "new" / "aside").iterdir())
    assert [(path / "runs" / "1.json").read_text() for path in kept] == ["first", "second", "third"]
