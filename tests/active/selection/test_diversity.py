"""Farthest points against brute force, clusters, baselines, copies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.active.selection import (
    ClusterDiversity,
    FarthestPoint,
    MaximumVariance,
    PlainDynamics,
    Pool,
    RandomFrames,
    Unlike,
)
from labkit.active.selection.distances import to_nearest
from labkit.errors import LabkitError

seeds = st.integers(0, 10**6)


def pool(features: np.ndarray, **fields: object) -> Pool:
    return Pool(n_atoms=np.full(len(features), 3), features=features, **fields)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 5), st.integers(0, 4))
def test_farthest_points_by_brute_force(seed: int, width: int, known: int) -> None:
    random = np.random.default_rng(seed)
    rows, older = random.normal(size=(12, width)) + 5.0, random.normal(size=(known, width)) + 5.0
    order = FarthestPoint().choose(pool(rows, known=older), 6).indices
    for k, j in enumerate(order):
        covered = np.concatenate([older, rows[order[:k]]])
        others = covered if len(covered) else rows.mean(axis=0)[None]
        far = np.linalg.norm(rows[:, None] - others[None], axis=2).min(axis=1)
        assert far[j] == pytest.approx(far.max(), rel=1e-6)


def test_each_farthest_point_says_how_far() -> None:
    choice = FarthestPoint().choose(pool(np.array([[0.0], [1.0], [3.0]]), known=[[0.0]]), 2)
    assert choice.reasons == (
        "not taken: 0 from the nearest known or taken frame, the last one taken was 1 away",
        "taken: 1 from the nearest known or taken frame",
        "taken: 3 from the nearest known or taken frame",
    )
    assert "the farthest from the mean" in FarthestPoint().choose(pool(np.array([[0.0], [1.0], [3.0]])), 2).reasons[2]


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(2, 6))
def test_one_frame_of_each_of_separate_clusters(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    centres = 100 * np.eye(count)
    which = random.permutation(np.repeat(np.arange(count), 7))
    rows = centres[which] + random.normal(size=(7 * count, count))
    choice = ClusterDiversity().choose(pool(rows), count)
    assert sorted(which[choice.indices]) == list(range(count))
    for k in choice.indices:
        mine = rows[which == which[k]]
        far = np.linalg.norm(mine - mine.mean(axis=0), axis=1)
        assert np.linalg.norm(rows[k] - mine.mean(axis=0)) == pytest.approx(far.min())
    fewer = ClusterDiversity().choose(pool(rows, known=centres[:1]), count - 1)
    assert sorted(which[fewer.indices]) == list(range(1, count))
    assert "in the cluster of a known frame" in fewer.reasons[int(np.flatnonzero(which == 0)[0])]


def test_an_outlier_is_a_farthest_point_but_not_typical() -> None:
    """Clusters of 20 at 0 and 10, one frame at 16: two clusters, whose typical frames are not the outlier."""
    rows = np.concatenate([np.linspace(-1, 1, 20), np.linspace(9, 11, 20), [16.0]])[:, None]
    assert 40 in FarthestPoint().choose(pool(rows), 2).indices
    assert 40 not in ClusterDiversity().choose(pool(rows), 2).indices


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(1e-3, 1e4))
def test_nearest_are_exact_far_from_the_origin(seed: int, offset: float) -> None:
    random = np.random.default_rng(seed)
    others = random.normal(size=(9, 4)) + offset
    rows = np.concatenate([others[[3, 7]], random.normal(size=(5, 4)) + offset])
    distance, nearest = to_nearest(rows, others)
    by_hand = np.linalg.norm(rows[:, None] - others[None], axis=2)
    np.testing.assert_allclose(distance, by_hand.min(axis=1), rtol=1e-12)
    assert distance[:2].tolist() == [0.0, 0.0] and nearest[:2].tolist() == [3, 7]


def test_copies_are_told_by_name() -> None:
    rows = np.array([[1.0, 2.0], [0.3, 0.1], [1.0, 2.0], [0.7, 0.0]])
    fields = dict(spread=[0.5, 0.3, 0.4, 0.2], unit="", names=["a", "b", "c", "d"])
    choice = Unlike(MaximumVariance()).choose(pool(rows, known=rows[3:] + 0.0, **fields), 4)
    assert choice.indices.tolist() == [0, 1]
    assert choice.reasons[2] == "refused: looks like a, which is taken"
    assert choice.reasons[3] == "refused: looks like known frame 0, 0 away"
    assert choice.note == "4 frames were requested, 2 of the 4 in the pool may be taken"
    with pytest.raises(LabkitError, match="distance is -1"):
        Unlike(MaximumVariance(), -1)


@pytest.mark.parametrize("left", [0.0, np.nan])
def test_a_rule_that_refuses_the_rest_loses_nothing(left: float) -> None:
    """All that is left after the first round has no spread, or none that is known."""
    rows = np.array([[1.0], [1.0], [2.0], [3.0]])
    choice = Unlike(MaximumVariance()).choose(pool(rows, spread=[0.3, 0.3, left, left], unit="eV"), 2)
    assert choice.indices.tolist() == [0]
    assert choice.reasons[1] == "refused: looks like frame 0, which is taken"
    assert choice.reasons[3].startswith("not taken: MaximumVariance: ")
    assert choice.note == "2 frames were requested, 1 of the 4 in the pool may be taken"
    with pytest.raises(LabkitError, match="MaximumVariance: "):
        Unlike(MaximumVariance()).choose(pool(rows, spread=[left] * 4, unit="eV"), 2)


def test_random_frames_are_uniform_and_follow_the_seed() -> None:
    counts = np.zeros(6)
    for seed in range(600):
        counts[RandomFrames().choose(Pool(n_atoms=[3] * 6), 2, seed=seed).indices] += 1
    assert np.abs(counts - 200).max() < 5 * np.sqrt(600 / 3 * 2 / 3)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60))
def test_plain_dynamics_takes_equal_steps(frames: int, n: int) -> None:
    found = PlainDynamics().choose(Pool(n_atoms=[3] * frames), n).indices
    steps = np.diff(found)
    assert found[0] == 0 and (len(steps) == 0 or steps.max() - steps.min() <= 1)
    if frames % n == 0:
        assert found.tolist() == list(range(0, frames, frames // n))
