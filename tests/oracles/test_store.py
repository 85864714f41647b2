"""The store: several processes, kill -9, damage, files of others."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from oracles.counted import Counted, coppers

from labkit.errors import LabkitError
from labkit.oracles import Label, LabelStore, LabelStoreWarning, StoreError, TBLite, structure_hash

WRITER = Path(__file__).with_name("writer.py")


def writer(folder, frames, pause=0.0, hang=()):
    line = [WRITER, folder / "labels.sqlite", folder / "log", frames, pause, *hang]
    return subprocess.Popen([sys.executable, *map(str, line)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def start(*processes):
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def overlapping(events):
    """Frames whose calculations overlapped in time."""
    running, found = {}, set()
    for _, process, what, number in events:
        if what == "begin":
            if running.get(number, process) != process:
                found.add(number)
            running[number] = process
        elif running.get(number) == process:
            del running[number]
    return found


def rows(folder, query, *values):
    connection = sqlite3.connect(folder / "labels.sqlite")
    with connection:
        found = connection.execute(query, values).fetchall()
    connection.close()
    return found


@pytest.fixture
def store(tmp_path):
    with LabelStore(tmp_path / "labels.sqlite") as found:
        yield found


def test_a_label_comes_back_to_the_bit(store):
    water = molecule("H2O")
    water.info.update(charge=1, multiplicity=2)
    values = {
        "energy": np.array(-1 / 3),
        "forces": np.random.default_rng(0).normal(size=(3, 3)),
        "stress": np.diag([1e-300, 2.0, 3.0]),
        "dielectric": np.arange(9.0).reshape(3, 3),
        "born_charges": np.random.default_rng(1).normal(size=(3, 3, 3)),
    }
    store.put(water, TBLite(), Label(values, "by hand 1.0"))
    found = store.get(water, TBLite())
    assert found.program == "by hand 1.0" and found.values.keys() == values.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(found.values[name], value)
    assert store.get(water, TBLite(accuracy=0.1)) is None and store.get(molecule("H2O"), TBLite()) is None
    (frame,) = store.frames(TBLite())
    assert structure_hash(frame) == structure_hash(water) and frame.info["charge"] == 1
    np.testing.assert_array_equal(frame.info["dielectric"], values["dielectric"])
    np.testing.assert_array_equal(frame.arrays["born_charges"].reshape(3, 3, 3), values["born_charges"])
    store.put(water, TBLite(), Label({"energy": 5.0}))
    assert store.get(water, TBLite()).energy == -1 / 3 and len(store) == 1


def test_oracles_are_kept_apart(store, tmp_path):
    water = molecule("H2O")
    for oracle in (TBLite("GFN1-xTB"), TBLite("GFN2-xTB")):
        list(oracle.label([water], store))
    list(Counted(tmp_path / "log").label(coppers(3), store))
    counts = {name.split(",")[0]: count for _, name, count in store.oracles().values()}
    assert counts == {"tblite GFN1-xTB": 1, "tblite GFN2-xTB": 1, "counted EMT": 3}
    assert len(list(store.frames())) == 5 and len(list(store.frames(TBLite("GFN1-xTB")))) == 1
    (gfn1, *_) = store.oracles()
    assert [a.get_potential_energy() for a in store.frames(gfn1)] == [
        a.get_potential_energy() for a in store.frames(TBLite("GFN1-xTB"))
    ]
    assert len(store.calculations(gfn1)) == 1


def test_many_frames_come_in_their_order(store, monkeypatch, tmp_path):
    monkeypatch.setattr("labkit.oracles.store.BATCH", 4)
    list(Counted(tmp_path / "log").label(coppers(11), store))
    assert [structure_hash(a) for a in store.frames()] == [structure_hash(a) for a in coppers(11)]


def test_no_frame_is_computed_twice_by_several_processes(tmp_path):
    """Four processes ask for the same frames at the same moment; each gets every label, from one calculation."""
    processes = [writer(tmp_path, 12, 0.05) for _ in range(4)]
    start(*processes)
    said = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    oracle = Counted(tmp_path / "log")
    assert sorted(oracle.started()) == list(range(12))
    assert len({process for _, process, _, _ in oracle.events()}) > 1  # they shared the work
    assert all(sorted(lines) == sorted(said[0]) and len(lines) == 12 for lines in said)
    with LabelStore(tmp_path / "labels.sqlite") as store:
        assert [c.outcome for c in store.calculations()] == 12 * ["labelled"]
    assert rows(tmp_path, "SELECT * FROM claims") == []


@pytest.mark.parametrize("wait", [0.02, 0.1, 0.25])
def test_a_killed_writer_leaves_a_whole_store(tmp_path, wait):
    """What it said it had is there; the frame that it was at is taken over at once, and its cost is booked."""
    process = writer(tmp_path, 60, 0.01)
    start(process)
    first = process.stdout.readline()
    time.sleep(wait)
    os.kill(process.pid, signal.SIGKILL)
    said = dict(line.split() for line in [first, *process.stdout.read().splitlines()] if len(line.split()) == 2)
    process.wait()
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    oracle = Counted(tmp_path / "log")
    before = len(oracle.started())
    with LabelStore(tmp_path / "labels.sqlite") as store:
        stored = len(store)
        assert 0 < len(said) <= stored < 60
        for number, energy in said.items():
            assert store.get(coppers(1, int(number))[0], oracle).energy == float(energy)
        began = time.monotonic()
        assert len(list(oracle.label(coppers(60), store))) == 60
        assert time.monotonic() - began < 20  # far below the expiry
        outcomes = [c.outcome for c in store.calculations()]
        assert outcomes.count("labelled") == 60 and outcomes.count("lost") <= 1
    assert len(oracle.started()) - before == 60 - stored


def test_a_process_that_died_in_a_calculation_is_booked_and_replaced(tmp_path):
    process = writer(tmp_path, 3, hang=(1,))
    start(process)
    while Counted(tmp_path / "log").started() != [0, 1]:
        time.sleep(0.01)
    other = writer(tmp_path, 3)
    start(other)
    while 2 not in Counted(tmp_path / "log").started():
        time.sleep(0.01)
    time.sleep(0.5)
    assert Counted(tmp_path / "log").started() == [0, 1, 2]  # it waits for frame 1, which is being computed
    process.kill()
    process.wait()
    said, _ = other.communicate(timeout=20)
    assert len(said.splitlines()) == 3 and Counted(tmp_path / "log").started() == [0, 1, 2, 1]
    with LabelStore(tmp_path / "labels.sqlite") as store:
        assert sorted(c.outcome for c in store.calculations()) == 3 * ["labelled"] + ["lost"]


def test_a_silent_process_on_another_machine_is_replaced_after_the_expiry(tmp_path):
    oracle, frames = Counted(tmp_path / "log"), coppers(1)
    with LabelStore(tmp_path / "labels.sqlite", expiry=1.0) as store:
        with store.claims() as claims:
            assert claims.take(structure_hash(frames[0]), oracle)
            rows(tmp_path, "UPDATE claims SET owner = 'another machine|1|1', token = 'theirs', beat = started + 7")
            began = time.monotonic()
            (labelled,) = oracle.label(frames, store)
            assert 1.0 < time.monotonic() - began < 5
        lost, labelled = store.calculations()
        assert lost.outcome == "lost" and lost.seconds == 7 and labelled.outcome == "labelled"


def test_a_process_that_beats_is_waited_for(tmp_path):
    """Ten times longer than the expiry, by a store whose claims are renewed."""
    structure, oracle = structure_hash(coppers(1)[0]), Counted(tmp_path / "log")
    with LabelStore(tmp_path / "labels.sqlite", expiry=0.3) as store, store.claims() as one, store.claims() as other:
        assert one.take(structure, oracle)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            assert not other.take(structure, oracle)
            time.sleep(0.05)


def test_a_forked_process_opens_the_file_itself(store, tmp_path):
    oracle = Counted(tmp_path / "log")
    list(oracle.label(coppers(2), store))
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if len(list(oracle.label(coppers(4), store))) == 4 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(store) == 4 and rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("column", ["data", "sha256", "program"])
def test_a_damaged_label_is_computed_again(store, tmp_path, column):
    oracle = Counted(tmp_path / "log")
    good = [a.get_potential_energy() for a in oracle.label(coppers(3), store)]
    key, old = rows(tmp_path, f"SELECT key, {column} FROM labels LIMIT 1 OFFSET 1")[0]
    bad = bytes([*old[:-1], old[-1] ^ 1]) if column == "data" else old + "x"
    rows(tmp_path, f"UPDATE labels SET {column} = ? WHERE key = ?", bad, key)
    with pytest.warns(LabelStoreWarning, match="damaged label was removed"):
        again = [a.get_potential_energy() for a in oracle.label(coppers(3), store)]
    assert again == good and oracle.started() == [0, 1, 2, 1]
    assert len(list(store.frames())) == 3


def test_a_label_under_the_key_of_another_is_damage(store, tmp_path):
    oracle = Counted(tmp_path / "log")
    list(oracle.label(coppers(2), store))
    (one, data, sha256), (two, *_) = rows(tmp_path, "SELECT key, data, sha256 FROM labels")
    rows(tmp_path, "UPDATE labels SET data = ?, sha256 = ? WHERE key = ?", data, sha256, two)
    with pytest.warns(LabelStoreWarning):
        assert len(list(store.frames())) == 1


def test_flipped_bits_are_never_in_a_label(store, tmp_path):
    """Energy, forces and structure to the last bit; a file that is too damaged is refused in words."""
    list(Counted(tmp_path / "log").label(coppers(3), store))

    def seen():
        with LabelStore(tmp_path / "labels.sqlite") as again:
            return [(a.get_potential_energy(), a.get_forces().tobytes(), a.positions.tobytes(), a.cell.array.tobytes())
                    for a in again.frames()]  # fmt: skip

    good = seen()
    store.close()
    whole, random = (tmp_path / "labels.sqlite").read_bytes(), np.random.default_rng(0)
    used = np.flatnonzero(np.frombuffer(whole, np.uint8))  # SQLite's pages are mostly empty
    for place in random.choice(used, 80):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        for path in tmp_path.glob("labels.sqlite*"):
            path.unlink()
        (tmp_path / "labels.sqlite").write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LabelStoreWarning)
            try:
                assert set(seen()) <= set(good)
            except StoreError:
                continue


def test_a_damaged_structure_is_written_again(store, tmp_path):
    oracle = Counted(tmp_path / "log")
    list(oracle.label(coppers(2), store))
    (data,) = rows(tmp_path, "SELECT data FROM structures LIMIT 1")[0]
    position = data.rindex(np.float64(coppers(1)[0].positions[-1, -1]).tobytes())
    bad = data[: position + 6] + bytes([data[position + 6] ^ 4]) + data[position + 7 :]
    rows(tmp_path, "UPDATE structures SET data = ? WHERE data = ?", bad, data)
    with pytest.warns(LabelStoreWarning, match="structure"):
        assert len(list(store.frames())) == 1
    list(oracle.label(coppers(2), store))
    assert len(list(store.frames())) == 2


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "labels.sqlite"
    with LabelStore(path) as store:
        list(Counted(tmp_path / "log").label(coppers(20), store))
    path.write_bytes(b"x" * 100 + path.read_bytes()[100:])
    with pytest.raises(StoreError, match=r"labels\.sqlite: is damaged .*not a database.*\.recover"):
        LabelStore(path)


def test_files_of_others_are_refused_and_left_alone(tmp_path):
    path = tmp_path / "labels.sqlite"
    rows(tmp_path, "CREATE TABLE systems (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program's SQLite file"):
        LabelStore(path)
    assert path.read_bytes() == before
    path.unlink()
    LabelStore(path).close()
    rows(tmp_path, "PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="of version 9, and this labkit reads version 1"):
        LabelStore(path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StoreError, match="there is no folder"):
        LabelStore(tmp_path / "nowhere" / "labels.sqlite")


def test_a_label_that_cannot_be_kept_ends_the_run(store, tmp_path):
    """As on a full disk: the next ones could not be kept either, and none was seen by anybody."""
    oracle = Counted(tmp_path / "log")
    trigger = "CREATE TRIGGER full BEFORE INSERT ON labels BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    rows(tmp_path, trigger)
    seen = []
    with pytest.raises(StoreError, match=r"labels\.sqlite: could not be .*disk is full"):
        seen.extend(oracle.label(coppers(5), store))
    assert seen == [] and oracle.started() == [0] and len(store) == 0
    assert issubclass(StoreError, LabkitError)
