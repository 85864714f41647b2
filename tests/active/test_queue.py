"""Labels by a queue, a simulated one and dask's: the same as without it, booked as they should be."""

import os
import signal
import sys
import time

import numpy as np
import pytest
from active.pool_systems import MORSE, Recorded, learner, mixture, pool

from labkit.active import GpVariance
from labkit.active.pool import OnCluster, SimulatedQueue, learn, local_client, queue_client
from labkit.active.selection import MaximumVariance
from labkit.errors import LabkitError, Stopped
from labkit.jobs import Job
from labkit.oracles import LabelStore, MissingProgram, TimedOut, Unconverged, outcomes


def run(oracle, **options):
    return learn(pool(), learner(), GpVariance, MaximumVariance(), oracle, 24, start=8, batch=8, **options)


def test_the_fate_of_a_job_depends_on_seed_structure_and_attempt_alone(tmp_path):
    def ends(seed, frames, **options):
        queue = SimulatedQueue(MORSE, waiting=60, run_time=100, wall_time=150, failure=0.3, seed=seed)
        found = {o.index: o for o in outcomes(queue, frames, LabelStore(":memory:"), **options)}
        return [(type(found[k].error).__name__, found[k].seconds) for k in range(len(frames))], queue.jobs

    frames = mixture(40)
    one, jobs = ends(1, frames)
    other, _ = ends(1, frames, workers=4)
    assert one == other != ends(2, frames)[0]
    kinds = [kind for kind, _ in one]
    assert {"CalculationFailed", "TimedOut", "NoneType"} == set(kinds) and 4 < kinds.count("CalculationFailed") < 20
    assert np.mean([job.waiting for job in jobs]) == pytest.approx(60, rel=0.5)
    assert all(job.seconds <= 150 for job in jobs)


def test_simulated_times_are_booked_and_nobody_waits_for_them(tmp_path):
    began = time.monotonic()
    queue = SimulatedQueue(MORSE, waiting=3600, run_time=1000, failure=0.2, wall_time=1600)
    found = run(queue, retries={"failed": 3, "timed out": 0}, workers=4)
    table = found.ledger.table()
    assert time.monotonic() - began < 20 and table["core_seconds"].sum() > 10_000
    assert table.loc[table["outcome"] == "timed out", "seconds"].tolist() == [1600.0] * found.ledger.summary()[
        "calls"
    ].get("timed out", 0)
    assert "its node failed after" in table.loc[table["outcome"] == "failed", "message"].iloc[0]
    assert found.curve["core_seconds"].iloc[-1] == pytest.approx(table["core_seconds"].sum())


def test_a_killed_run_has_the_same_fate_in_the_queue(tmp_path):
    def queue():
        return SimulatedQueue(MORSE, run_time=100, failure=0.3, seed=3)

    whole = run(queue(), retries={"failed": 1}, folder=tmp_path / "whole")

    class Stop:
        count = 0

        def update(self, *_, **__):
            self.count += 1

        def part(self, *_, **__):
            return self

        def should_stop(self):
            return self.count >= 13

    with pytest.raises(Stopped):
        run(queue(), retries={"failed": 1}, folder=tmp_path / "run", progress=Stop())
    found = run(queue(), retries={"failed": 1}, folder=tmp_path / "run")
    assert [one.failed for one in found.rounds] == [one.failed for one in whole.rounds]
    np.testing.assert_array_equal(found.potential.weights, whole.potential.weights)
    assert found.curve.equals(whole.curve)


def test_the_pace_is_kept_and_a_waiting_job_can_be_stopped():
    queue = SimulatedQueue(MORSE, waiting=0, run_time=100, pace=0.001)
    began = time.monotonic()
    _, seconds = queue.timed(mixture(1)[0])
    assert 0.001 * seconds <= time.monotonic() - began < 0.001 * seconds + 0.5
    slow = SimulatedQueue(MORSE, waiting=1e6, pace=1.0)
    job = Job(lambda progress: list(slow.label(mixture(2), progress=progress))).start()
    time.sleep(0.2)
    job.stop()
    job.wait(3)
    assert job.status == "stopped"


def test_an_error_of_the_oracle_is_that_of_the_job(tmp_path):
    queue = SimulatedQueue(Recorded(tmp_path / "log", unconverged=(0,)), run_time=50)
    (found,) = outcomes(queue, mixture(60)[:1], store := LabelStore(":memory:"))
    assert isinstance(found.error, Unconverged) and 10 < store.calculations()[0].seconds < 200


@pytest.mark.parametrize("options", [dict(waiting=-1), dict(run_time=0), dict(failure=1.0), dict(pace=-0.1)])
def test_settings_of_a_queue_are_checked(options):
    with pytest.raises(LabkitError, match=f"SimulatedQueue: {next(iter(options))} is "):
        SimulatedQueue(MORSE, **options)


@pytest.fixture(scope="module")
def threads():
    with local_client(2, processes=False) as client:
        yield client


def test_dask_labels_are_those_without_it(threads, tmp_path):
    here, there = run(MORSE), run(OnCluster(MORSE, threads), workers=3, folder=tmp_path / "run")
    np.testing.assert_array_equal(here.potential.weights, there.potential.weights)
    assert here.labelled.hash == there.labelled.hash
    again = run(MORSE, folder=tmp_path / "run")  # its labels are found, and its folder is that of the same run
    np.testing.assert_array_equal(again.potential.weights, there.potential.weights)


def test_failures_on_workers_come_back_with_their_kind_and_seconds(threads, tmp_path):
    oracle = Recorded(tmp_path / "log", pause=0.05, fail=(1,), unconverged=(2,), bug=(3,), hang=(4,))
    store = LabelStore(":memory:")
    found = {
        o.index: o for o in outcomes(OnCluster(oracle, threads), mixture(60)[:4], store, workers=2, time_limit=5.0)
    }
    assert found[0].label is not None and isinstance(found[2].error, Unconverged)
    assert "the program crashed" in str(found[1].error) and "ZeroDivisionError" in str(found[3].error)
    assert all(0.05 <= c.seconds < 3 for c in store.calculations())


def test_a_calculation_that_hangs_on_a_worker_is_given_up(tmp_path):
    with local_client(1, processes=False) as client:
        slow = OnCluster(Recorded(tmp_path / "log", pause=1.5), client)
        (found,) = outcomes(slow, mixture(60)[:1], time_limit=0.3)
        assert isinstance(found.error, TimedOut)


@pytest.mark.slow
def test_a_lost_worker_is_replaced(tmp_path):
    with local_client(1) as client:
        client.run(lambda path: sys.path.insert(0, path), os.path.dirname(os.path.dirname(__file__)))
        oracle = OnCluster(Recorded(tmp_path / "log", pause=2.0), client)
        job = Job(lambda progress: list(oracle.label(mixture(60)[:1], progress=progress))).start()
        while not oracle.oracle.events():
            time.sleep(0.02)
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        job.wait(60)
        assert len(job.result) == 1


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(LabkitError, match="no queue system 'slrum'; .*did you mean 'slurm'"):
        queue_client("slrum", jobs=2)
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(MissingProgram, match="dask_jobqueue is not installed.*pip install dask-jobqueue"):
        queue_client("slurm", jobs=2)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingProgram, match="distributed is not installed"):
        local_client()
