"""learn() is killed with kill -9, stopped by full disks and damaged: nothing is lost, and the result is the same."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from active.pool_run import run
from active.pool_systems import MORSE, Recorded, learner, pool

from labkit.active import GpVariance
from labkit.active.pool import learn
from labkit.active.selection import MaximumVariance, RandomFrames
from labkit.errors import LabkitError
from labkit.oracles import LabelStore

NO_LABEL = (8, 20, 33, 9, 41)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing has disturbed, and the calls that it made."""
    folder = tmp_path_factory.mktemp("whole")
    found = run(folder / "run", folder / "log", 0.0)
    return found, Recorded(folder / "log").events()


def same(found, whole):
    np.testing.assert_array_equal(found.potential.weights.numpy(), whole.potential.weights.numpy())
    assert [one.plan for one in found.rounds] == [one.plan for one in whole.rounds]
    for one, other in zip(found.rounds, whole.rounds, strict=True):
        assert (one.labelled, one.failed, one.calls, one.errors) == (
            other.labelled, other.failed, other.calls, other.errors,
        )  # fmt: skip
        assert one.surprise == other.surprise
    assert found.stopped == whole.stopped and found.labelled.hash == whole.labelled.hash


def starts(folder, log, pause):
    line = [sys.executable, str(Path(__file__).with_name("pool_run.py")), str(folder), str(log), str(pause)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path, whole):
    """Each process lives for a moment after its first call; no call that had ended is made again."""
    choice, log, kills = random.Random(5), tmp_path / "log", 0
    while kills < 4:
        process, calls = starts(tmp_path / "run", log, 0.03), len(Recorded(log).events())
        while len(Recorded(log).events()) == calls and process.poll() is None:
            time.sleep(0.002)
        time.sleep(choice.uniform(0.0, 0.35))
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    found = run(tmp_path / "run", log, 0.0)
    same(found, whole[0])
    with LabelStore(tmp_path / "run" / "labels.sqlite") as store:
        booked = store.calculations()
    labelled = [c.structure for c in booked if c.outcome == "labelled"]
    assert kills >= 3 and len(labelled) == len(set(labelled)) == len([k for k in whole[1] if k not in NO_LABEL])
    failed = [c.structure for c in booked if c.outcome in ("failed", "unconverged")]
    assert len(failed) == len([k for k in whole[1] if k in NO_LABEL])
    assert {c.outcome for c in booked} <= {"labelled", "failed", "unconverged", "lost"}
    assert len(whole[1]) <= len(Recorded(log).events()) <= len(whole[1]) + kills  # what was computed when it died


def test_it_goes_on_after_the_disk_was_full(tmp_path, whole, monkeypatch):
    """OSError at each file that the run writes, one after another, as if the disk were full just then."""
    count, real = {"left": 0}, os.replace

    def full(source, target):
        if str(tmp_path) in str(target):
            count["left"] -= 1
            if count["left"] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    messages, found = [], None
    while found is None:
        count["left"] = 1  # one file more each time
        try:
            found = run(tmp_path / "run", tmp_path / "log", 0.0)
        except LabkitError as error:
            messages.append(str(error))
    assert len(messages) >= 5 and all("No space left on device" in text for text in messages)
    same(found, whole[0])
    assert len(Recorded(tmp_path / "log").events()) == len(whole[1])


def test_it_goes_on_after_a_label_could_not_be_stored(tmp_path, whole, monkeypatch):
    import labkit.oracles.claims as claims

    count, real = {"left": 7}, claims.write_label

    def full(*arguments):
        count["left"] -= 1
        if count["left"] == 0:
            import sqlite3

            raise sqlite3.OperationalError("database or disk is full")
        real(*arguments)

    monkeypatch.setattr(claims, "write_label", full)
    with pytest.raises(LabkitError, match=r"labels.sqlite: could not be .* \(database or disk is full\)"):
        run(tmp_path / "run", tmp_path / "log", 0.0)
    same(run(tmp_path / "run", tmp_path / "log", 0.0), whole[0])
    assert len(Recorded(tmp_path / "log").events()) == len(whole[1]) + 1


def test_workers_change_no_bit(tmp_path, whole):
    same(run(tmp_path / "run", tmp_path / "log", 0.01, workers=3), whole[0])


def test_a_finished_run_is_read_again_without_a_call(tmp_path, whole):
    first = run(tmp_path / "run", tmp_path / "log", 0.0)
    calls = len(Recorded(tmp_path / "log").events())
    again = run(tmp_path / "run", tmp_path / "log", 0.0)
    same(again, first)
    assert len(Recorded(tmp_path / "log").events()) == calls
    assert again.ledger.table().equals(first.ledger.table())


def test_lost_labels_are_bought_again(tmp_path, whole):
    run(tmp_path / "run", tmp_path / "log", 0.0)
    for path in (tmp_path / "run").glob("labels.sqlite*"):
        path.unlink()
    same(run(tmp_path / "run", tmp_path / "log", 0.0), whole[0])


def test_a_folder_of_another_run_is_refused_by_name(tmp_path):
    def go(oracle=MORSE, selection=None, **options):
        rule = RandomFrames() if selection is None else selection
        return learn(pool(), learner(), GpVariance, rule, oracle, 10, start=6, folder=tmp_path / "run", **options)

    go()
    other = Recorded(tmp_path / "log", depth=2.0)
    with pytest.raises(LabkitError, match="labelled by another oracle: oracle was Morse, .* recorded Morse, 2"):
        go(other)
    with pytest.raises(LabkitError, match="other settings: seed was 0, now it is 1"):
        go(seed=1)
    with pytest.raises(LabkitError, match=r"selection was RandomFrames\(\), now it is MaximumVariance"):
        go(selection=MaximumVariance())
    assert len(go().labelled) == 10
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(LabkitError, match="is not empty .*thesis.txt.* and holds no run"):
        learn(pool(), learner(), None, RandomFrames(), MORSE, 10, start=6, folder=tmp_path / "full")
    (tmp_path / "run" / "plan-001.json").write_text("{")
    with pytest.raises(LabkitError, match=r"plan-001.json: .*delete it, and the run goes on from the round before"):
        go()
    (tmp_path / "run" / "plan-001.json").unlink()
    assert len(go().labelled) == 10


def test_a_store_of_other_settings_gives_no_label(tmp_path):
    shallow, deep = Recorded(tmp_path / "log"), Recorded(tmp_path / "log", depth=2.0)
    with LabelStore(tmp_path / "labels.sqlite") as store:
        learn(pool(), learner(), None, RandomFrames(), shallow, 8, start=6, store=store)
        learn(pool(), learner(), None, RandomFrames(), deep, 8, start=6, store=store)
    assert len(shallow.events()) == 16


def test_files_of_a_run_are_plain_json(tmp_path):
    run(tmp_path / "run", tmp_path / "log", 0.0)
    names = sorted(path.name for path in (tmp_path / "run").glob("*.json"))
    assert names[:2] == ["plan-000.json", "plan-001.json"] and "run.json" in names
    plan = json.loads((tmp_path / "run" / "plan-001.json").read_text())
    assert len(plan["frames"]) == 6 and plan["unit"] == "eV"
