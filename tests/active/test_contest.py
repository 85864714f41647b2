"""Contests: savings that must be there, at equal cost, resumed to the bit; scans; stored labels."""

import json
import multiprocessing
import os
import signal
import time

import numpy as np
import pandas as pd
import pytest
from active.pool_systems import CONFIG, MORSE, labelled, learner, mixture

from labkit.active import CommitteeSpread, GpVariance
from labkit.active.contest import StoredLabels, Strategy, contest, grid, spread_measure
from labkit.active.contest.saving import calls_to_target, error_at, paired_interval
from labkit.active.contest.scores import ContestRun, Scores
from labkit.active.learners import CommitteeLearner, GapLearner, NeuralLearner
from labkit.active.pool import Budget
from labkit.active.selection import CommitteeDisagreement, MaximumVariance, RandomFrames
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.neural import NeuralConfig, Training
from labkit.oracles import CalculationFailed, LabelStore


@pytest.fixture(scope="module")
def frames():
    return labelled(200, 0.05, seed=0)


@pytest.fixture(scope="module")
def test_frames():
    return labelled(60, 0.3, seed=9)


def strategies():
    gap = learner()
    return {
        "random": Strategy(gap, RandomFrames()),
        "variance": Strategy(gap, MaximumVariance(), GpVariance),
    }


def run(frames, test_frames, chosen=None, calls=80, **options):
    options = dict(start=10, batch=5, seeds=[0, 1, 2]) | options
    *_, scores = contest(frames, chosen or strategies(), test_frames, calls, **options)
    return scores


@pytest.fixture(scope="module")
def scores(frames, test_frames):
    return run(frames, test_frames, by="kind")


def test_the_rule_that_finds_rare_frames_wins_where_5_percent_are_rare(scores, frames):
    """Ten of 200 frames are stretched: a rule that takes them first needs far fewer labels."""
    saving = scores.saving(target=0.05)
    one = saving.loc["variance"]
    assert one["reached"] == "3 of 3" and one["saving"] > 0.5 and one["low"] > 0.3
    assert one["low"] <= one["saving"] <= one["high"] and saving.loc["random", "saving"] == 0.0
    for entry in scores.runs:
        rare = [frames.info[k]["kind"] == "rare" for k in entry.frames]
        assert entry.strategy == "random" or sum(rare) == 10  # it has found them all
    lower = scores.reduction(calls=25).loc["variance"]
    assert lower["reduction"] > 0.5 and lower["low"] > 0


def test_nothing_is_saved_on_a_narrow_pool(test_frames):
    narrow = labelled(150, 0.0, seed=0)
    scores = run(narrow, labelled(40, 0.0, seed=9), calls=60)
    saving = scores.saving(scores.target_of(50))
    assert saving.loc["variance", "low"] < 0.5


def test_runs_are_paired_and_cost_the_same(scores):
    by_key = {(r.strategy, r.seed): r for r in scores.runs}
    for seed in range(3):
        one, other = by_key["random", seed], by_key["variance", seed]
        assert one.frames[:10] == other.frames[:10] and len(one.frames) == len(other.frames) == 80
        assert [row["calls"] for row in one.curve] == [row["calls"] for row in other.curve]
    assert len({r.frames[:10] for r in scores.runs}) == 3
    curves = scores.curves()
    assert (curves["seeds"] == 3).all() and np.isfinite(curves["standard_error"]).all()
    assert curves.loc[("random", 10), "mean"] == pytest.approx(curves.loc[("variance", 10), "mean"])
    assert "force_rmse rare" in scores.table().columns
    mean = np.mean([by_key["random", s].curve[3]["force_rmse"] for s in range(3)])
    assert curves.loc[("random", 25), "mean"] == pytest.approx(mean)


def test_validation_and_calibration_labels_count(frames, test_frames):
    held = Strategy(learner(), MaximumVariance(), GpVariance, {"validation": 4, "calibration": 6})
    scores = run(frames, test_frames, {"random": strategies()["random"], "held": held}, 30, seeds=[0])
    first = {r.strategy: r.curve[0] for r in scores.runs}
    assert first["random"]["calls"] == 10 and first["held"]["calls"] == 20
    assert {r.curve[-1]["calls"] for r in scores.runs} == {30}


def test_it_goes_on_with_the_runs_that_are_missing(frames, test_frames, tmp_path, scores):
    class Stop:
        count = 0

        def update(self, *_, **__):
            pass

        def should_stop(self):
            self.count += 1
            return self.count > 150

    from labkit.errors import Stopped

    with pytest.raises(Stopped):
        run(frames, test_frames, folder=tmp_path / "c", progress=Stop(), by="kind")
    there = len(list((tmp_path / "c").glob("*.json")))
    assert 0 < there < 6
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "c").glob("*.json")}
    found = run(frames, test_frames, folder=tmp_path / "c", by="kind")
    pd.testing.assert_frame_equal(found.table(), scores.table(), check_exact=True)
    assert all(p.stat().st_mtime_ns == t for p, t in kept.items())
    assert len(list((tmp_path / "c").glob("*.json"))) == 6 and not [p for p in (tmp_path / "c").iterdir() if p.is_dir()]


def _contest(folder):
    run(labelled(200, 0.05, seed=0), labelled(60, 0.3, seed=9), folder=folder, by="kind")


def test_killed_it_ends_with_the_same_table(frames, test_frames, tmp_path, scores):
    process = multiprocessing.get_context("spawn").Process(target=_contest, args=(tmp_path / "c",))
    process.start()
    while not list((tmp_path / "c").glob("*.json")) and process.is_alive():
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert len(list((tmp_path / "c").glob("*.json"))) < 6
    found = run(frames, test_frames, folder=tmp_path / "c", by="kind")
    pd.testing.assert_frame_equal(found.table(), scores.table(), check_exact=True)


def test_a_run_of_other_settings_is_refused_by_name(frames, test_frames, tmp_path):
    options = dict(seeds=[0], folder=tmp_path / "c", calls=20)
    run(frames, test_frames, **options)
    with pytest.raises(LabkitError, match="was a run of 'random' on other frames or with other settings"):
        run(frames, test_frames, batch=4, **options)
    path = next((tmp_path / "c").glob("random*.json"))
    path.write_text(path.read_text()[:100])
    with pytest.raises(LabkitError, match="delete it, and the run is made again"):
        run(frames, test_frames, **options)


def test_runs_on_workers_are_the_same(frames, test_frames, scores):
    from labkit.active.pool import local_client

    with local_client(2, processes=False) as client:
        found = run(frames, test_frames, client=client, seeds=[1])
    expected = scores.table().query("seed == 1").drop(columns=["force_rmse narrow", "force_rmse rare"])
    pd.testing.assert_frame_equal(found.table(), expected.reset_index(drop=True), check_exact=True)


def test_committee_sizes_are_a_grid_and_the_spread_converges(frames, test_frames):
    def make(members):
        measure = {"measure": spread_measure(test_frames)}
        return Strategy(
            CommitteeLearner(GapLearner(CONFIG), members), CommitteeDisagreement(), CommitteeSpread, measure
        )

    scan = grid(make, members=[3, 6, 11])
    assert list(scan) == ["members 3", "members 6", "members 11"]
    scores = run(frames, test_frames, scan, 20, seeds=[0, 1, 2, 3])
    last = scores.table().groupby(["strategy", "seed"]).last()
    spread = last["spread"].groupby("strategy").agg(lambda x: x.std() / x.mean())
    assert spread["members 11"] < spread["members 3"] and (last["spearman"] > 0).mean() > 0.8


def test_learning_rate_and_batch_size_are_a_grid(frames, test_frames):
    def make(rate, batch):
        config = NeuralConfig(network="schnet", channels=8, cutoff=3.0, n_radial=8, e0={"H": 0.0})
        return Strategy(NeuralLearner(config, Training(steps=6, rate=rate, batch=batch)), RandomFrames())

    scan = grid(make, rate=[1e-3, 1e-2], batch=[2, 4])
    assert list(scan) == [f"rate {r:g}, batch {b}" for r in (1e-3, 1e-2) for b in (2, 4)]
    one, other = (run(frames, test_frames, scan, 14, seeds=[0], batch=2) for _ in range(2))
    pd.testing.assert_frame_equal(one.table(), other.table(), check_exact=True)
    assert len(one.table()) == 4 * 3 and one.table()["force_rmse"].nunique() == 12


def test_committees_of_networks_share_a_training_and_are_repeated_to_the_bit(frames, test_frames, tmp_path):
    config = NeuralConfig(network="schnet", channels=8, cutoff=3.0, n_radial=8, e0={"H": 0.0})
    model = NeuralLearner(config, Training(steps=6), members=3)
    rules = {"committee": Strategy(model, CommitteeDisagreement(), CommitteeSpread, {"validation": 3})}
    one = run(frames, test_frames, rules, 20, seeds=[0], folder=tmp_path / "c")
    other = run(frames, test_frames, rules, 20, seeds=[0])
    pd.testing.assert_frame_equal(one.table(), other.table(), check_exact=True)
    with pytest.raises(LabkitError, match="a committee is trained from new weights"):
        NeuralLearner(config, Training(steps=6), members=3, warm=True)


def test_warm_networks_go_on_after_a_stop(frames, test_frames, tmp_path):
    from labkit.active.pool import learn

    config = NeuralConfig(network="schnet", channels=8, cutoff=3.0, n_radial=8, e0={"H": 0.0})
    model = NeuralLearner(config, Training(steps=5), warm=True)

    def go(calls, **options):
        return learn(frames, model, None, RandomFrames(), StoredLabels(frames), calls, start=6, batch=3, **options)

    whole = go(15, folder=tmp_path / "whole")
    (tmp_path / "whole" / "round-003.json").unlink()
    (tmp_path / "whole" / "plan-003.json").unlink()
    again = go(15, folder=tmp_path / "whole")
    state = test_frames.state([0, 1])
    assert (again.potential.evaluate(state).forces == whole.potential.evaluate(state).forces).all()
    with pytest.raises(LabkitError, match=r"give Training\(steps=...\)"):
        NeuralLearner(config, Training(budget=3.0))


@pytest.mark.parametrize(
    ("calls", "errors", "target", "expected"),
    [
        ([10, 20, 40], [1.0, 0.5, 0.25], 0.5, (20.0, True)),
        ([10, 20, 40], [1.0, 0.5, 0.25], 0.25 * 2**0.5, (20 * 2**0.5, True)),
        ([10, 20, 40], [1.0, 0.5, 0.25], 0.1, (40.0, False)),
        ([10, 20, 40], [0.2, 0.5, 0.25], 0.3, (10.0, True)),
    ],
)
def test_calls_to_a_target_are_read_from_a_power_law(calls, errors, target, expected):
    found = calls_to_target(np.array(calls), np.array(errors), target)
    assert found == (pytest.approx(expected[0]), expected[1])


def test_intervals_cover_the_truth_as_often_as_they_say():
    """Pairs with a saving of 0.6 and a common factor, which pairing takes out: 95 % intervals of 20 pairs."""
    random, hits, widths, unpaired = np.random.default_rng(0), 0, [], []
    for k in range(200):
        common = random.lognormal(0, 0.5, 20)
        theirs = 100 * common * random.lognormal(0, 0.1, 20)
        ours = 40 * common * random.lognormal(0, 0.1, 20)
        _, low, high = paired_interval(ours, theirs, seed=k)
        hits += low < 0.6 < high
        widths.append(high - low)
        unpaired.append(np.subtract(*paired_interval(random.permutation(ours), theirs, seed=k)[:0:-1]))
    assert 0.88 <= hits / 200 <= 0.99 and np.mean(widths) < 0.5 * np.mean(unpaired)
    value, low, _ = paired_interval([1.0], [2.0])
    assert value == 0.5 and np.isnan(low)
    with pytest.raises(LabkitError, match="expected pairs"):
        paired_interval([1.0], [2.0, 3.0])


def _run(name, seed, errors):
    rows = [{"calls": 10.0 * 2**k, "force_rmse": x} for k, x in enumerate(errors)]
    return ContestRun(name, seed, tuple(rows), (), "")


def test_a_target_that_is_not_reached_gives_a_bound():
    rules = {"random": [1.0, 0.9, 0.8], "good": [1.0, 0.4, 0.2], "bad": [2.0, 1.9, 1.8]}
    scores = Scores(tuple(_run(name, seed, errors) for name, errors in rules.items() for seed in (0, 1)))
    saving = scores.saving(0.5)
    assert saving["bound"].to_dict() == {"random": "unknown", "good": "at least", "bad": "unknown"}
    assert scores.saving(0.85)["bound"].to_dict() == {"random": "", "good": "", "bad": "at most"}
    assert saving.loc["good", "reached"] == "2 of 2" and 0 < saving.loc["good", "saving"] < 1
    assert error_at(np.array([10.0, 20.0]), np.array([1.0, 0.5]), 5.0) != error_at(
        np.array([10.0, 20.0]), np.array([1.0, 0.5]), 10.0
    )
    with pytest.raises(LabkitError, match="no strategy 'randon'; .*did you mean 'random'"):
        scores.saving(0.5, against="randon")
    with pytest.raises(LabkitError, match="no column 'force_rms'.*did you mean 'force_rmse'"):
        scores.curves("force_rms")
    with pytest.raises(LabkitError, match="has 100 calls"):
        scores.target_of(100)


def test_stored_labels_are_those_of_one_oracle_with_their_cost(tmp_path, frames):
    some = mixture(6)
    with LabelStore(tmp_path / "labels.sqlite") as store:
        list(MORSE.label(some[:4], store))
        stored = StoredLabels.of_store(store, MORSE, some)
        assert len(stored.frames) == 4 and stored.name == "Morse"
        booked = [c.seconds for c in store.calculations(MORSE)]
        assert [stored.timed(atoms)[1] for atoms in some[:4]] == booked
        assert stored.compute(some[2]).energy == store.get(some[2], MORSE).energy
        with pytest.raises(CalculationFailed, match="no stored label"):
            stored.compute(some[5])
        other = MORSE.__class__("other", MORSE.make, {})
        with pytest.raises(LabkitError, match="none of 6 frames has a label of other; it has labels of: Morse"):
            StoredLabels.of_store(store, other, some)
    mixed = frames[:2]
    mixed = Dataset(mixed.atoms, mixed.energy, mixed.forces, mixed.stress, mixed.polarizability, mixed.born_charges,
                    [{"oracle": "GFN2"}, {"oracle": "PBE"}])  # fmt: skip
    with pytest.raises(LabkitError, match="labelled by GFN2 and by PBE; labels of two oracles cannot be mixed"):
        StoredLabels(mixed)
    with pytest.raises(LabkitError, match="seconds are not all"):
        StoredLabels(frames, seconds=-1.0)


def test_a_committee_of_one_is_refused():
    with pytest.raises(LabkitError, match="members is 1; a committee has at least 2"):
        CommitteeLearner(learner(), 1)


def test_results_are_files_of_one_run_each(frames, test_frames, tmp_path):
    run(frames, test_frames, folder=tmp_path / "c", seeds=[0], calls=Budget(calls=20))
    plain = json.loads(next((tmp_path / "c").glob("variance*.json")).read_text())
    assert plain["run"]["strategy"] == "variance" and len(plain["run"]["curve"]) == 3
