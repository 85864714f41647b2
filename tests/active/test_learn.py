"""learn(): rounds on a pool, what they cost, what fails, and how they end."""

import time

import numpy as np
import pytest
from active.pool_systems import MORSE, Recorded, labelled, learner, mixture, pool
from ase import Atoms

from labkit.active import GpVariance
from labkit.active.learners import GapLearner
from labkit.active.pool import Budget, learn, learning
from labkit.active.selection import MaximumVariance, RandomFrames, Within
from labkit.errors import LabkitError, Stopped
from labkit.gap import Distance2b, GapConfig
from labkit.jobs import Job
from labkit.oracles import LabelStore, TBLite


@pytest.fixture(scope="module")
def test_frames():
    return labelled(40, 0.5)


@pytest.fixture
def oracle(tmp_path):
    return Recorded(tmp_path / "log")


def run(oracle, calls=16, selection=None, **options):
    options = dict(start=6, batch=4) | options
    chosen = MaximumVariance() if selection is None else selection
    return learn(options.pop("pool", pool()), learner(), GpVariance, chosen, oracle, calls, **options)


def test_each_round_spends_and_the_budget_ends_it(oracle, test_frames):
    found = run(oracle, 16, test=test_frames, by="kind")
    assert [len(one.labelled) for one in found.rounds] == [6, 4, 4, 2]
    assert found.curve["calls"].tolist() == [6, 10, 14, 16] and len(oracle.events()) == 16
    assert found.stopped == "the budget of 16 calls is spent" and len(found.labelled) == 16
    assert found.errors["force_rmse"] < 0.2 * found.rounds[0].errors["force_rmse"]
    assert {"force_rmse rare", "force_rmse narrow", "energy_rmse"} <= found.errors.keys()
    assert set(found.labelled.info[0]) >= {"oracle", "kind"} and found.labelled.info[3]["oracle"] == oracle.name
    for k, atoms in enumerate(found.labelled.atoms):
        assert found.labelled.energy[k] == pytest.approx(MORSE.compute(atoms).energy)


def test_the_least_certain_frames_are_taken_first_with_reasons(oracle):
    frames, found = pool(), run(oracle, 10)
    chosen = found.rounds[1].plan
    assert chosen.unit == "eV" and list(chosen.spread) == sorted(chosen.spread, reverse=True)
    assert {frames.info[k]["kind"] for k in chosen.frames[:1]} == {"rare"}
    assert "taken: spread" in found.reason(chosen.frames[0])
    unused = next(k for k in range(60) if all(k not in one.plan.frames for one in found.rounds))
    assert found.reason(unused) == "not taken in any round"


def test_surprise_is_the_error_before_the_label_was_known(oracle):
    states = list(learning(pool(), learner(), GpVariance, MaximumVariance(), oracle, 10, start=6, batch=4))
    before, after = states[0], states[1]
    frame = after.rounds[1].plan.frames[0]
    k = list(after.rounds[0].labelled + after.rounds[1].labelled).index(frame)
    one = after.labelled[[k]]
    error = before.potential.evaluate(one.state()).forces.numpy() - one.forces
    rmse, largest, _ = after.rounds[1].surprise[frame]
    assert rmse == pytest.approx(np.sqrt((error**2).mean())) and largest == pytest.approx(
        np.linalg.norm(error, axis=1).max()
    )


def test_failures_are_booked_skipped_and_never_labels(tmp_path):
    oracle = Recorded(tmp_path / "log", fail=(4, 8), unconverged=(9,), hang=(17,), bug=(20,))
    store = LabelStore(tmp_path / "labels.sqlite")
    found = learn(
        pool(), learner(), None, RandomFrames(), oracle, 60, start=20, batch=20, store=store, time_limit=0.2,
        retries={"failed": 1},
    )  # fmt: skip
    failed = {k: why for one in found.rounds for k, why in one.failed.items()}
    assert set(failed) == {4, 8, 9, 17, 20} and len(found.labelled) <= 55 and len(store) == len(found.labelled)
    assert failed[9].startswith("unconverged: ") and failed[17].startswith("timed out: ")
    assert failed[20] == "failed: recorded Morse, 1 eV: ZeroDivisionError: division by zero"
    table = found.ledger.table()
    assert table[table["frame"].isin([4, 8, 20])].groupby("frame").size().tolist() == [2, 2, 2]  # sent again once
    assert table[table["frame"] == 9]["attempt"].tolist() == [1]
    assert table[table["outcome"] != "labelled"]["message"].str.len().min() > 0
    assert found.curve["calls"].iloc[-1] == len(table) == 60


def test_the_ledger_sums_up(oracle, test_frames, tmp_path):
    found = run(oracle, 14, test=test_frames)
    table, curve = found.ledger.table(), found.ledger.curve()
    assert len(table) == 14 and set(table["outcome"]) == {"labelled"} and (table["seconds"] > 0).all()
    assert curve["core_hours"].iloc[-1] == pytest.approx(table["core_seconds"].sum() / 3600)
    assert curve["labels"].tolist() == [6, 10, 14]
    gain = (curve["force_rmse"].iloc[0] - curve["force_rmse"].iloc[1]) / (
        curve["core_hours"].iloc[1] - curve["core_hours"].iloc[0]
    )
    assert curve["bought"].iloc[1] == pytest.approx(gain) and np.isnan(curve["bought"].iloc[0])
    assert table["force_rmse"].tolist()[-1] == found.errors["force_rmse"]
    assert found.ledger.summary().loc["labelled", "calls"] == 14
    found.ledger.to_csv(tmp_path / "ledger.csv")
    assert (tmp_path / "ledger.csv").read_text().count("\n") == 15


def test_core_seconds_end_a_run_too(tmp_path):
    oracle = Recorded(tmp_path / "log", pause=0.02)
    found = run(oracle, Budget(core_seconds=0.2), start=4, batch=50)
    assert found.stopped == "the budget of 0.2 core-seconds is spent"
    spent = found.ledger.table()["core_seconds"].sum()
    assert 0.2 <= spent < 0.3 and 4 <= len(found.labelled) <= 10


def test_labels_in_the_store_are_not_bought_twice_and_count_as_bought(tmp_path, oracle):
    first = run(oracle, 12, store=tmp_path / "labels.sqlite")
    made = len(oracle.events())
    second = run(oracle, 12, store=tmp_path / "labels.sqlite")
    assert len(oracle.events()) == made
    assert second.curve["calls"].tolist() == first.curve["calls"].tolist()
    assert second.curve["core_seconds"].tolist() == pytest.approx(first.curve["core_seconds"].tolist())
    np.testing.assert_array_equal(second.potential.weights, first.potential.weights)
    assert second.ledger.table()["reused"].all() and second.ledger.totals()["calls"] == 0


def test_held_out_frames_are_random_labelled_count_and_are_not_trained_on(oracle):
    found = run(oracle, 20, start=6, validation=3, calibration=4, batch=4)
    assert len(found.validation) == 3 and len(found.calibration) == 4 and len(found.labelled) == 13
    keys = [{x.positions.tobytes() for x in s.atoms} for s in (found.labelled, found.validation, found.calibration)]
    assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]
    assert found.curve["calls"].iloc[0] == 13


def test_an_uncertainty_gets_as_much_as_it_asks_for(oracle):
    seen = []

    def uncertainty(potential, frames, calibration):
        seen.append((len(frames), len(calibration)))
        return GpVariance(potential)

    learn(pool(), learner(), uncertainty, MaximumVariance(), oracle, 18, start=6, calibration=4, batch=4)
    assert seen == [(6, 4), (10, 4)]
    with pytest.raises(LabkitError, match="needs calibration frames"):
        learn(pool(), learner(), uncertainty, MaximumVariance(), oracle, 18, start=6, batch=4)


def test_exploded_frames_and_copies_are_never_labelled():
    frames = mixture(60)
    frames[3].positions[1] = frames[3].positions[0] + 0.1
    frames[5].positions[0, 0] = np.nan
    frames[7] = frames[8].copy()
    found = learn(frames, learner(), GpVariance, MaximumVariance(), MORSE, 60, start=6, batch=20)
    assert set(found.refused) == {3, 5, 8} and len(found.labelled) == 57
    assert "atoms 0 (H) and 1 (H) are 0.173 Å apart" in found.reason(3)
    assert "atom 0: position" in found.reason(5) and found.reason(8) == "refused: a copy of frame 7"


def test_frames_above_the_upper_bound_are_refused_with_their_reason(oracle):
    found = run(oracle, 60, Within(MaximumVariance(), high=1e-2))
    assert found.stopped.endswith("in the pool may be taken") and len(found.labelled) < 60
    sent = {k for one in found.rounds for k in one.plan.frames}
    assert all("above the upper bound 0.01 eV" in found.reason(k) for k in range(60) if k not in sent)


def test_the_pool_may_be_smaller_than_the_batch(oracle):
    found = run(oracle, 500, start=6, batch=100)
    assert (
        found.stopped == "all 60 frames of the pool that may be labelled have been sent" and len(found.labelled) == 60
    )
    assert found.rounds[1].plan.note == "100 frames were requested, the pool has 54: all are taken"


def test_a_target_ends_it(oracle, test_frames):
    found = run(oracle, 60, test=test_frames, target=0.05)
    assert "the target 0.05 eV/Å is reached" in found.stopped and found.errors["force_rmse"] <= 0.05
    assert len(found.rounds) == 1 or found.rounds[-2].errors["force_rmse"] > 0.05


def test_known_frames_count_and_are_not_bought_again(oracle):
    given = labelled(60, seed=0)[:10]
    for info in given.info:
        del info["oracle"]
    found = learn(pool(), learner(), GpVariance, MaximumVariance(), oracle, 20, start=2, batch=4, known=given)
    assert found.curve["calls"].tolist() == [12, 16, 20] and len(found.labelled) == 20
    assert not set(oracle.events()) & set(range(10)) and found.reason(4) == "refused: its label was given"


def test_measures_are_recorded(oracle, test_frames):
    found = run(oracle, 10, measure=lambda potential, spread: {"mean": spread(test_frames.state()).per_system.mean()})
    assert found.curve["mean"].is_monotonic_decreasing


def test_charge_and_multiplicity_reach_the_oracle():
    """A Dataset keeps them apart from its structures; the energy of OH- is not that of OH."""
    random, frames = np.random.default_rng(0), []
    for charge in (0, -1):
        for _ in range(3):
            atoms = Atoms("OH", [[0, 0, 0], [0, 0, random.uniform(0.9, 1.1)]])
            atoms.info["charge"] = charge
            frames.append(atoms)
    frames.append(frames[0].copy())
    frames[-1].info["charge"] = -1  # the same structure in another state is no copy
    model = GapLearner(GapConfig((Distance2b(cutoff=3.0, n_sparse=5),), sigma_virial=None))
    found = learn(frames, model, None, RandomFrames(), TBLite(), 7, start=7)
    for k in range(7):
        atoms = found.labelled.atoms[k].copy()
        atoms.info["charge"] = found.labelled.info[k]["charge"]
        assert found.labelled.energy[k] == pytest.approx(TBLite().compute(atoms).energy, abs=1e-7)
    assert not found.refused


def test_stop_keeps_what_there_is(tmp_path, test_frames):
    class Stop:
        def __init__(self, after):
            self.after, self.shown = after, []

        def update(self, step, total, **metrics):
            self.shown.append((step / total, metrics))

        def should_stop(self):
            return len([1 for _, m in self.shown if "labels" in m]) >= self.after

        def part(self, *_, **__):
            return self

    oracle, stop = Recorded(tmp_path / "log"), Stop(2)
    with pytest.raises(Stopped) as error:
        run(oracle, 30, folder=tmp_path / "run", progress=stop)
    assert len(error.value.partial.labelled) == 10
    found, whole = run(oracle, 30, folder=tmp_path / "run"), run(oracle, 30, folder=tmp_path / "other")
    np.testing.assert_array_equal(found.potential.weights, whole.potential.weights)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(start=0), "start is 0, so that there is nothing to learn from"),
        (dict(batch=0), "batch is 0; expected a whole number from 1"),
        (dict(start=61), "pool has 60 frames that may be labelled .* but round 0 needs 61"),
        (dict(start=17), "budget of 16 calls does not cover round 0 of 17 frames"),
        (dict(retries={"crashed": 1}), "retries: no outcome 'crashed', expected unconverged, failed, timed out"),
        (dict(target=0.1), "a target needs test frames"),
        (dict(time_limit=-1.0), "time_limit is -1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options, words, oracle):
    with pytest.raises(LabkitError, match=words):
        run(oracle, **options)


def test_what_is_missing_or_mixed_is_named(oracle, tmp_path):
    with pytest.raises(LabkitError, match="MaximumVariance ranks by an uncertainty"):
        learn(pool(), learner(), None, MaximumVariance(), oracle, 10, start=6)
    with pytest.raises(LabkitError, match="was labelled by Morse, and this run by recorded Morse, 1 eV"):
        run(oracle, known=labelled(5))
    with pytest.raises(LabkitError, match="neither calls nor core_seconds"):
        Budget()
    every = Recorded(tmp_path / "log", fail=tuple(range(60)))
    with pytest.raises(LabkitError, match="none of the 6 frames of round 0 has a label; the first: failed: the"):
        run(every)
    with pytest.raises(LabkitError, match="pool has 0 frames"):
        run(oracle, pool=[Atoms("H", [[np.nan, 0, 0]])])


def test_only_failures_in_a_round_do_not_end_the_run(tmp_path):
    frames = run(Recorded(tmp_path / "one"), 10).rounds[1].plan.frames
    found = run(Recorded(tmp_path / "two", fail=frames), 14)
    assert found.rounds[1].labelled == () and set(found.rounds[1].failed) == set(frames)
    assert len(found.labelled) == 10 and found.curve["calls"].tolist() == [6, 10, 14]


def test_as_a_job_it_is_watched_stopped_and_goes_on(tmp_path):
    oracle = Recorded(tmp_path / "log", pause=0.02)

    def work(progress):
        options = dict(start=6, batch=4, folder=tmp_path / "run", progress=progress)
        return learning(pool(), learner(), GpVariance, MaximumVariance(), oracle, 40, **options)

    job = Job(work).start()
    while job.result is None or len(job.result.rounds) < 2:
        time.sleep(0.005)
    began = time.monotonic()
    job.stop()
    job.wait(5)
    assert job.status == "stopped" and time.monotonic() - began < 2 and 10 <= len(job.result.labelled) < 40
    again = Job(work).start()
    again.wait(60)
    assert again.status == "done" and len(again.result.labelled) == 40
    with LabelStore(tmp_path / "run" / "labels.sqlite") as store:
        labelled = [c.structure for c in store.calculations() if c.outcome == "labelled"]
    assert len(labelled) == len(set(labelled)) == 40
