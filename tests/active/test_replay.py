"""Replays of a run from its labels: thresholds at once, other rules with fits, what is saved and what is missed."""

import numpy as np
import pytest
from active.pool_systems import MORSE, labelled, learner, pool

from labkit.active import CommitteeSpread, GpVariance
from labkit.active.contest import replay, replay_thresholds, spreads_and_errors
from labkit.active.learners import CommitteeLearner
from labkit.active.pool import learn
from labkit.active.selection import CommitteeDisagreement, MaximumVariance, RandomFrames
from labkit.errors import LabkitError


@pytest.fixture(scope="module")
def test_frames():
    return labelled(40, 0.5)


@pytest.fixture(scope="module")
def run(test_frames):
    return learn(pool(), learner(), GpVariance, RandomFrames(), MORSE, 50, start=6, batch=4, test=test_frames)


def test_thresholds_count_what_they_leave_out(run):
    table, bound = spreads_and_errors(run), 0.05
    assert len(table) == 44 and (table["spread"] > 0).all() and set(table["round"]) == set(range(1, 12))
    found = replay_thresholds(run, [0.0, 0.003, 1e9], bound)
    assert found.loc[0.0].tolist() == [0, 0, 0, 0] and found.loc[1e9, "calls_saved"] == 44
    assert found.loc[1e9, "errors_missed"] == (table["force_max"] > bound).sum() > 0
    expected = (table["spread"] < 0.003) & (table["force_max"] > bound)
    assert found.loc[0.003, "errors_missed"] == expected.sum()
    assert found.loc[0.003, "calls_saved"] > 10 and found.loc[0.003, "part_missed"] < found.loc[0.003, "part_saved"]


def test_another_rule_reaches_the_same_error_with_fewer_calls(run, test_frames):
    found = replay(run, learner(), GpVariance, MaximumVariance(), bound=0.5, batch=4, test=test_frames, target=0.05)
    assert found.learned.errors["force_rmse"] <= 0.05
    reached = next(k for k, one in enumerate(run.rounds) if one.errors["force_rmse"] <= 0.05)
    assert found.calls_of_run == 6 + 4 * reached and found.calls < found.calls_of_run
    assert found.calls_saved == found.calls_of_run - found.calls and found.errors_missed == ()
    same = replay(run, learner(), GpVariance, MaximumVariance(), bound=0.5, batch=44, test=test_frames)
    assert same.calls_saved == 0 and len(same.learned.labelled) == 50  # its last error, only with all labels
    first = [atoms.positions for atoms in run.labelled.atoms[:6]]
    np.testing.assert_array_equal(first, [atoms.positions for atoms in found.learned.labelled.atoms[:6]])


def test_a_threshold_with_fits_ends_when_nothing_is_above_it(run):
    low = replay(run, learner(), GpVariance, MaximumVariance(), bound=0.05, threshold=1e-3, batch=4)
    high = replay(run, learner(), GpVariance, MaximumVariance(), bound=0.05, threshold=1e-1, batch=4)
    assert 0 < low.calls_saved <= high.calls_saved and len(low.errors_missed) <= len(high.errors_missed)
    used = {atoms.positions.tobytes() for atoms in high.learned.labelled.atoms}
    for k in high.errors_missed:
        one = run.labelled[[k]]
        assert one.atoms[0].positions.tobytes() not in used
        error = high.learned.potential.evaluate(one.state()).forces.numpy() - one.forces
        assert np.linalg.norm(error, axis=1).max() > 0.05


def test_another_uncertainty_needs_no_oracle(run, monkeypatch):
    monkeypatch.setattr(type(MORSE), "compute", lambda *_: pytest.fail("an oracle was called"))
    model = CommitteeLearner(learner(), 3)
    found = replay(run, model, CommitteeSpread, CommitteeDisagreement(), bound=0.05, threshold=1e-2, batch=8)
    assert 6 <= found.calls <= 50


def test_runs_that_cannot_be_replayed_are_named(run):
    with pytest.raises(LabkitError, match="neither threshold nor test"):
        replay(run, learner(), GpVariance, MaximumVariance(), bound=0.1)
    short = learn(pool(), learner(), None, RandomFrames(), MORSE, 6, start=6)
    with pytest.raises(LabkitError, match="no round after its first frames"):
        spreads_and_errors(short)
    blind = learn(pool(), learner(), None, RandomFrames(), MORSE, 10, start=6, batch=4)
    with pytest.raises(LabkitError, match="had no uncertainty"):
        replay_thresholds(blind, [0.1], 0.1)
