"""Thresholds and conformal factors: their numbers, and how often they hold on frames that they were not made of."""

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from scipy.stats import norm

from labkit.active import GpVariance
from labkit.active.calibration import conformal, rescale, threshold, threshold_of
from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.errors import LabkitError

BOUND, SHARE = 0.15, 0.95


def frames(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors and sigmas of frames, σ true."""
    random = np.random.default_rng(seed)
    sigmas = random.uniform(0.02, 0.2, n)
    return np.abs(random.normal(size=n)) * sigmas, sigmas


def share_below(sigma: float) -> float:
    """Of frames with σ uniform from 0.02 up to `sigma`, how many have errors below the bound."""
    at = np.linspace(0.02, sigma, 2001)
    return float(np.mean(1 - 2 * norm.sf(BOUND / at)))


def test_a_threshold_is_passed_wrongly_at_most_as_often_as_promised() -> None:
    found, refused = [], 0
    for seed in range(300):
        try:
            found.append(threshold(*frames(400, seed), BOUND, share=SHARE, confidence=0.9).sigma)
        except LabkitError:  # two of the surest frames are above
            refused += 1
    wrong = sum(share_below(sigma) < SHARE for sigma in found) / 300
    assert 0 < wrong <= 0.1 + 2 * np.sqrt(0.09 / 300)
    assert np.median(found) > 0.08 and refused < 15  # of all up to 0.112 that would do, most are accepted


def test_a_threshold_that_fails_ends_the_sequence() -> None:
    """With σ that says nothing and 5.1 % failures each threshold is wrong; one of fifteen often passes by chance."""
    found = 0
    for seed in range(400):
        errors = np.where(np.random.default_rng(seed).random(1000) < 0.051, 0.2, 0.1)
        try:
            threshold(errors, np.linspace(0.1, 0.2, 1000), BOUND)
            found += 1
        except LabkitError:
            pass
    assert found <= 0.05 * 400 + 2 * np.sqrt(0.05 * 400)
    few = np.full(1000, 0.1)
    few[155:161] = 0.2  # six of 181 do not pass, though six of a thousand would
    assert threshold(few, np.linspace(0.1, 0.2, 1000), BOUND).accepted == 153


def test_59_and_93_frames() -> None:
    sigmas = np.linspace(0.01, 0.02, 93)
    assert threshold([0.1] * 59, sigmas[:59], BOUND).accepted == 59
    with pytest.raises(LabkitError, match="too few frames: 58, worth 58 independent ones; .* needs 59 without failure"):
        threshold([0.1] * 58, sigmas[:58], BOUND)
    one = np.full(93, 0.1)
    one[90] = 0.2
    assert threshold(one, sigmas, BOUND).accepted == 93
    assert threshold(one[1:], sigmas[1:], BOUND).accepted < 90  # 92 with one failure do not pass


def test_repeated_frames_count_once() -> None:
    """Thirty copies of 30 frames are 30 frames; as runs of time they are refused, as independent ones they pass."""
    errors, sigmas = (np.repeat(x, 30) for x in (np.linspace(0.01, 0.1, 30), np.linspace(0.02, 0.05, 30)))
    assert threshold(errors, sigmas, BOUND).accepted == 900
    with pytest.raises(LabkitError, match="too few frames: 900, worth 30 independent ones"):
        threshold(errors, sigmas, BOUND, trajectory=np.repeat(np.arange(30), 30))


def test_thresholds_in_words() -> None:
    errors, sigmas = frames(200, 0)
    with pytest.raises(LabkitError, match="59 frames of the smallest sigmas exceed 0.001, so that no threshold shows"):
        threshold(errors, sigmas, 0.001)
    with pytest.raises(LabkitError, match="share is 1.0; expected a number between 0 and 1"):
        threshold(errors, sigmas, BOUND, share=1.0)
    with pytest.raises(LabkitError, match="all 3 sigmas are 0"):
        threshold([0.1] * 3, [0.0] * 3, BOUND)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999))
def test_a_threshold_depends_on_order_of_frames_and_unit_of_sigma_not_at_all(seed: int) -> None:
    errors, sigmas = frames(700, seed)
    order = np.random.default_rng(seed).permutation(700)
    try:
        found = threshold(errors, sigmas, BOUND)
    except LabkitError:
        reject()
    assert threshold(errors[order], sigmas[order], BOUND) == found
    again = threshold(errors, 4 * sigmas, BOUND)
    assert (again.sigma, again.accepted, again.failures) == (4 * found.sigma, found.accepted, found.failures)
    assert found.failures == (errors[sigmas <= found.sigma] > BOUND).sum()
    assert threshold(errors, sigmas, 2 * BOUND).sigma >= found.sigma


def test_conformal_numbers() -> None:
    """With 95 % confidence it is the largest of 59 ratios and the second of 93; on average the ⌈(n + 1) p⌉-th."""
    for n, rank in ((59, 59), (92, 92), (93, 92)):
        assert conformal(np.arange(1, n + 1), np.ones(n), 0.95, confidence=0.95) == rank
    assert conformal(np.arange(1, 100), np.ones(99), 0.95) == 95
    with pytest.raises(LabkitError, match="too few frames: 58 do not show a share of 0.95 with this confidence"):
        conformal(np.ones(58), np.ones(58), 0.95, confidence=0.95)
    with pytest.raises(LabkitError, match="too few frames: 18 do not show a share of 0.95; give more"):
        conformal(np.ones(18), np.ones(18), 0.95)
    with pytest.raises(LabkitError, match="10 of 40 sigmas are 0 where the error is not"):
        conformal(np.ones(40), np.repeat([0.0, 1.0], [10, 30]), 0.9)


@pytest.mark.parametrize("confidence", [None, 0.9])
def test_conformal_intervals_hold_for_any_distribution(confidence: float | None) -> None:
    """Errors with heavy tails, σ wrong by a factor that varies."""
    covered = []
    for seed in range(300):
        random = np.random.default_rng(seed)
        errors, sigmas = random.standard_t(2, 4100), np.exp(random.normal(size=4100))
        q = conformal(errors[:100], sigmas[:100], 0.9, confidence)
        covered.append(np.mean(np.abs(errors[100:]) <= q * sigmas[100:]))
    if confidence is None:
        assert np.mean(covered) == pytest.approx(91 / 101, abs=0.006)  # the exact mean, ⌈101 · 0.9⌉/101
    else:
        assert np.mean(np.array(covered) >= 0.9) > 0.86 and np.mean(covered) < 0.96


def test_of_a_potential(model: Potential, held: Dataset) -> None:
    uncertainty = rescale(GpVariance(model), model, held[:25])
    found = threshold_of(uncertainty, model, held[25:], 100.0, at_random=True)
    assert (found.accepted, found.failures, len(found.frames)) == (75, 0, 75)
    with pytest.raises(LabkitError, match="too few frames: 75, worth"):
        threshold_of(uncertainty, model, held[25:], 100.0)  # three runs of 25 alike frames
    with pytest.raises(LabkitError, match=r"2 of 75 frames \(the first is frame 5\) were queried .* a threshold needs"):
        threshold_of(uncertainty, model, held[25:], 100.0, queried=held[[30, 33]])
    with pytest.raises(LabkitError, match=r"5 of 80 frames \(the first is frame 0\) were .* used to calibrate before"):
        threshold_of(uncertainty, model, held[20:], 100.0, at_random=True)
