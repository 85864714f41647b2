"""Many frames: order, equal ones, failures, stop, books."""

import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest
from oracles.counted import NUMBERS, Counted, coppers

from labkit.errors import LabkitError, Stopped
from labkit.jobs import Job
from labkit.oracles import LabelStore, TimedOut, outcomes, structure_hash


@pytest.fixture
def store(tmp_path):
    with LabelStore(tmp_path / "labels.sqlite") as found:
        yield found


@pytest.mark.parametrize("workers", [1, 3])
def test_frames_come_in_their_order_with_what_they_carried(tmp_path, store, workers):
    frames = coppers(8)
    for i, atoms in enumerate(frames):
        atoms.info["trajectory"] = i
        atoms.set_tags(range(4))
    labelled = list(Counted(tmp_path / "log").label(frames, store, workers=workers))
    assert [atoms.info["trajectory"] for atoms in labelled] == list(range(8))
    assert all(atoms.get_tags().tolist() == [0, 1, 2, 3] for atoms in labelled)
    for atoms, frame in zip(labelled, frames):
        np.testing.assert_array_equal(atoms.positions, frame.positions)


@pytest.mark.parametrize("stored", [True, False])
def test_equal_frames_are_computed_once(tmp_path, store, stored):
    oracle, frames = Counted(tmp_path / "log"), coppers(3)
    labelled = list(oracle.label([*frames, *frames[::-1]], store if stored else None, workers=2))
    energies = [atoms.get_potential_energy() for atoms in labelled]
    assert energies == energies[::-1] and sorted(oracle.started()) == [0, 1, 2]


def test_a_label_is_stored_before_it_is_seen(tmp_path, store):
    oracle = Counted(tmp_path / "log")
    for i, _ in enumerate(oracle.label(coppers(4), store)):
        with LabelStore(store.path) as other:
            assert other.get(coppers(1, i)[0], oracle) is not None


def test_failures_are_told_at_the_end_and_booked(tmp_path, store):
    oracle = Counted(tmp_path / "log", fail=(1,), unconverged=(3,))
    seen = []
    with pytest.raises(LabkitError, match="2 of 5 frames could not be labelled. Frame 1: the program crashed"):
        seen.extend(oracle.label(coppers(5), store))
    assert len(seen) == 3 and len(store) == 3
    booked = [(c.outcome, c.message) for c in store.calculations()]
    assert ("failed", "the program crashed") in booked and ("unconverged", "the SCF did not converge") in booked
    assert len(list(Counted(tmp_path / "log").label(coppers(5), store))) == 5  # they are tried again


def test_outcomes_say_which_frame_failed_and_what_was_spent(tmp_path, store):
    oracle = Counted(tmp_path / "log", pause=0.02, unconverged=(0,))
    list(oracle.label(coppers(1, 2), store))
    found = {outcome.index: outcome for outcome in outcomes(oracle, coppers(3), store, workers=2)}
    assert found[0].label is None and "converge" in str(found[0].error)
    assert found[1].seconds >= 0.02 and found[2].seconds is None and found[2].label is not None
    assert all(c.seconds >= 0.02 and c.core_seconds == c.seconds for c in store.calculations())


@dataclass(frozen=True)
class Hanging(Counted):
    """Does not look at should_stop: as a library that hangs."""

    def compute(self, atoms, should_stop=lambda: False):
        if NUMBERS[structure_hash(atoms)] in self.hang:
            time.sleep(2.5)
        return super().compute(atoms)


@pytest.mark.parametrize(("kind", "most"), [(Counted, 1.0), (Hanging, 2.0)])
def test_a_calculation_that_hangs_is_given_up_and_booked(kind, most, tmp_path, store):
    oracle = kind(tmp_path / "log", hang=(1,))
    began = time.monotonic()
    found = {o.index: o for o in outcomes(oracle, coppers(3), store, time_limit=0.3)}
    assert time.monotonic() - began < most
    assert isinstance(found[1].error, TimedOut) and "not done after 0.3 s" in str(found[1].error)
    assert found[0].label is not None and found[2].label is not None and len(store) == 2
    (late,) = [c for c in store.calculations() if c.outcome == "timed out"]
    assert 0.3 <= late.seconds < most and "limit of time" in late.message
    with pytest.raises(LabkitError, match="time_limit is 0"):
        next(outcomes(oracle, coppers(3), store, time_limit=0))


def test_a_bug_of_an_oracle_is_raised_at_once_and_booked(tmp_path, store, monkeypatch):
    monkeypatch.setattr(Counted, "compute", lambda self, atoms, should_stop: [][1])
    with pytest.raises(IndexError):
        list(Counted(tmp_path / "log").label(coppers(3), store))
    assert [c.outcome for c in store.calculations()] == ["failed"]


def test_stop_ends_a_frame_under_way_and_books_it(tmp_path, store):
    oracle = Counted(tmp_path / "log", hang=(2,))
    job = Job(lambda progress: list(oracle.label(coppers(4), store, progress=progress))).start()
    while oracle.started() != [0, 1, 2]:
        time.sleep(0.01)
    began = time.monotonic()
    job.stop()
    job.wait(5)
    assert job.status == "stopped" and time.monotonic() - began < 2
    assert [c.outcome for c in store.calculations()] == ["labelled", "labelled", "stopped"]
    with store.claims() as claims:
        assert claims.take(structure_hash(coppers(1, 2)[0]), oracle)  # its claim was given up


def test_a_loop_that_is_left_stops_the_work_and_gives_up_claims(tmp_path, store):
    oracle = Counted(tmp_path / "log", hang=(1,))
    for _ in oracle.label(coppers(4), store):
        break
    assert store._database.read("SELECT * FROM claims") == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("label")]


def test_frames_that_cannot_be_computed_are_named_before_any_work(tmp_path, store):
    oracle, frames = Counted(tmp_path / "log"), coppers(3)
    frames[1].positions[2, 0] = np.nan
    with pytest.raises(LabkitError, match=r"frame 1, atom 2: position .*nan.* is not a finite number"):
        list(oracle.label(frames, store))
    with pytest.raises(LabkitError, match="takes a list of frames; pass"):
        list(oracle.label(frames[0], store))
    with pytest.raises(LabkitError, match="workers is 0"):
        list(oracle.label(coppers(1), store, workers=0))
    assert oracle.started() == []


def test_no_frames(tmp_path, store):
    assert list(Counted(tmp_path / "log").label([], store)) == []


def test_stop_before_the_first_frame(tmp_path):
    class Stop:
        def update(self, *_, **__):
            pass

        def should_stop(self):
            return True

    oracle = Counted(tmp_path / "log")
    with pytest.raises(Stopped):
        list(oracle.label(coppers(2), progress=Stop()))
    assert oracle.started() == []
