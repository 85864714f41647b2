"""Labels are files as soon as they exist: a run that is stopped, fails or is killed goes on where it was."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from labkit.datasets import Dataset
from labkit.errors import LabkitError, Stopped
from labkit.oracles import CalculatorOracle, LabelStore, Oracle
from tools.ice import label_frames

ORACLE = CalculatorOracle("EMT", EMT)


def coppers(n=6):
    frames = []
    for i in range(n):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=i)
        atoms.info["trajectory"] = i
        frames.append(atoms)
    return frames


NUMBER = {atoms.positions.tobytes(): atoms.info["trajectory"] for atoms in coppers()}


@dataclass
class Counting(Oracle):
    """EMT that counts its calls, fails for some of them, and waits to be stopped in others."""

    kind = "counting"
    name: str = "EMT"
    fail: set = field(default_factory=set)
    hang: set = field(default_factory=set)
    calls: list = field(default_factory=list)
    settings = {}

    def compute(self, atoms, should_stop):
        i = NUMBER[atoms.positions.tobytes()]
        self.calls.append((i, threading.current_thread().name))
        if i in self.fail:
            raise LabkitError("no convergence")
        while i in self.hang:
            if should_stop():
                raise Stopped
            time.sleep(0.01)
        return ORACLE.compute(atoms)


class StopAfter:
    def __init__(self, done):
        self.done, self.steps = done, []

    def update(self, step, total, **metrics):
        self.steps.append((step, total))

    def should_stop(self):
        return bool(self.steps) and self.steps[-1][0] >= self.done


@pytest.mark.parametrize("workers", [1, 3])
def test_labels_are_the_calculators(tmp_path, workers):
    frames, progress = coppers(), StopAfter(99)
    ds = label_frames(frames, ORACLE, tmp_path, workers, progress)
    for i, atoms in enumerate(frames):
        atoms.calc = EMT()
        assert ds.energy[i] == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
        np.testing.assert_allclose(ds[i].forces, atoms.get_forces(), atol=1e-12)
        np.testing.assert_allclose(ds.stress[i], atoms.get_stress(voigt=False), atol=1e-12)
        assert ds.info[i] == {"trajectory": i, "oracle": "EMT"}
    assert progress.steps[0] == (0, 6) and progress.steps[-1] == (6, 6)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"frame-{i:05d}.xyz" for i in range(6)]


def test_what_is_done_is_not_done_again(tmp_path):
    first = label_frames(coppers(4), Counting(), tmp_path)
    (tmp_path / "frame-00002.xyz").unlink()
    oracle = Counting()
    again = label_frames(coppers(4), oracle, tmp_path)
    assert [i for i, _ in oracle.calls] == [2]
    assert again.hash == first.hash


def test_labels_that_frames_carry_along_are_kept_apart(tmp_path):
    frames = coppers(2)
    for atoms in frames:
        atoms.info.update(REF_energy=-1.0, dft_virial=np.eye(3))
    ds = label_frames(frames, ORACLE, tmp_path)
    assert (ds.energy != -1.0).all() and np.isfinite(ds.stress).all()
    assert ds.info[1]["REF_energy"] == -1.0


def test_a_full_disk_ends_the_run_at_once(tmp_path, monkeypatch):
    def full(self, path):
        raise LabkitError(f"{path}: could not be written (No space left on device)")

    monkeypatch.setattr(Dataset, "write", full)
    oracle = Counting()
    with pytest.raises(LabkitError, match="No space left"):
        label_frames(coppers(), oracle, tmp_path)
    assert len(oracle.calls) == 1


def test_several_at_a_time(tmp_path):
    oracle = Counting()
    label_frames(coppers(), oracle, tmp_path, workers=3)
    assert len({thread for _, thread in oracle.calls}) > 1


def test_failures_are_told_at_the_end_and_the_rest_is_kept(tmp_path):
    with pytest.raises(LabkitError, match=r"2 of 6 frames.*Frame 1: no convergence"):
        label_frames(coppers(), Counting(fail={1, 4}), tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    oracle = Counting()
    assert len(label_frames(coppers(), oracle, tmp_path)) == 6
    assert [i for i, _ in oracle.calls] == [1, 4]


def test_stop_ends_what_is_in_flight_and_hands_over_what_is_done(tmp_path):
    oracle = Counting(hang={3})
    began = time.monotonic()
    with pytest.raises(Stopped) as stopped:
        label_frames(coppers(), oracle, tmp_path, workers=1, progress=StopAfter(3))
    assert time.monotonic() - began < 5
    assert len(stopped.value.partial) == 3
    assert len(label_frames(coppers(), Counting(), tmp_path)) == 6


def test_no_workers(tmp_path):
    with pytest.raises(LabkitError, match="workers is 0"):
        label_frames(coppers(1), ORACLE, tmp_path, workers=0)


def test_an_oracle_that_breaks_is_not_swallowed(tmp_path):
    class Broken(Oracle):
        kind = name = "broken"

        def compute(self, atoms, should_stop):
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        label_frames(coppers(2), Broken(), tmp_path)


def test_labels_of_other_frames_or_oracles_are_not_mixed(tmp_path):
    label_frames(coppers(2), ORACLE, tmp_path)
    with pytest.raises(LabkitError, match=r"frame-00000\.xyz: holds another structure"):
        label_frames(coppers(3)[1:], ORACLE, tmp_path)
    with pytest.raises(LabkitError, match="labels by 'EMT', not 'DFT'"):
        label_frames(coppers(2), CalculatorOracle("DFT", EMT), tmp_path)


def test_frames_that_cannot_be_labelled_are_named_before_work_begins(tmp_path):
    frames = coppers(2)
    frames[1].positions[0, 0] = np.nan
    oracle = Counting()
    with pytest.raises(LabkitError, match="frame 1, atom 0: position"):
        label_frames(frames, oracle, tmp_path)
    assert not oracle.calls


def test_killed_run_loses_only_what_was_in_flight(tmp_path, repository):
    script = textwrap.dedent(f"""
        import time
        from ase.build import bulk
        from tools.ice import label_frames
        from labkit.oracles import CalculatorOracle, Oracle
        from ase.calculators.emt import EMT
        class Slow(Oracle):
            kind, name, calls = "slow", "EMT", 0
            def compute(self, atoms, should_stop):
                self.calls += 1
                if self.calls == 4:
                    print("there", flush=True)
                    time.sleep(60)
                return CalculatorOracle("EMT", EMT).compute(atoms)
        frames = []
        for i in range(6):
            atoms = bulk("Cu", cubic=True)
            atoms.rattle(0.05, seed=i)
            atoms.info["trajectory"] = i
            frames.append(atoms)
        label_frames(frames, Slow(), {str(tmp_path)!r})
    """)
    process = subprocess.Popen([sys.executable, "-c", script], cwd=repository, stdout=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"there"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    oracle = Counting()
    assert len(label_frames(coppers(), oracle, tmp_path)) == 6
    assert [i for i, _ in oracle.calls] == [3, 4, 5]


def test_what_the_store_has_is_not_computed_again(tmp_path):
    """A run whose folder was lost takes its labels from the store, to the byte; what was spent stays booked."""
    with LabelStore(tmp_path / "labels.sqlite") as store:
        first = label_frames(coppers(4), Counting(), tmp_path / "one", store=store)
        oracle = Counting()
        again = label_frames(coppers(), oracle, tmp_path / "two", workers=2, store=store)
        assert sorted(i for i, _ in oracle.calls) == [4, 5]
        assert again[:4].hash == first.hash
        for path in (tmp_path / "one").iterdir():
            assert (tmp_path / "two" / path.name).read_bytes() == path.read_bytes()
        assert [calculation.outcome for calculation in store.calculations()] == 6 * ["labelled"]
