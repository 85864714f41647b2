"""Independent frames in correlated ones, and error bars that hold the truth as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import binom

from labkit.active.calibration import blocks, clopper_pearson, effective_number, frames_needed, upper_bound
from labkit.active.calibration.correlation import inefficiency
from labkit.active.calibration.measures import bootstrap, quantile_reliability, reliability, spearman
from labkit.errors import LabkitError


def correlated(n: int, a: float, seed: int) -> np.ndarray:
    """x_t = a x_(t-1) + noise, whose statistical inefficiency is (1 + a)/(1 - a)."""
    noise = np.random.default_rng(seed).normal(size=n + 500)
    return lfilter([1], [1, -a], noise)[500:]


@pytest.mark.parametrize("a", [0.0, 0.5, 0.9])
def test_inefficiency_of_a_known_process(a: float) -> None:
    found = np.mean([inefficiency(correlated(20_000, a, seed)) for seed in range(4)])
    assert found == pytest.approx((1 + a) / (1 - a), rel=0.15)


def test_short_runs_count_as_one_each() -> None:
    """Thirty runs of 20 frames that hardly move are worth 30, which no run shows by itself."""
    runs = np.repeat(np.arange(30), 20)
    values = np.random.default_rng(0).normal(size=30)[runs] + 0.05 * np.random.default_rng(1).normal(size=600)
    assert effective_number(values, runs) == pytest.approx(30, rel=0.1)
    assert len(np.unique(blocks(values, runs))) == 30


def test_equal_frames_count_as_one_of_each_run() -> None:
    assert effective_number(np.full(60, 0.1), np.repeat([0, 1, 2], 20)) == 3
    assert effective_number(np.full(60, 0.1)) == effective_number([0.1]) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-3, 3), st.integers(0, 3)), min_size=1, max_size=50))
def test_effective_numbers_are_from_one_to_all(pairs: list) -> None:
    values, runs = map(np.array, zip(*pairs, strict=True))
    assert 1 - 1e-9 <= effective_number(values, runs) <= len(values) + 1e-9
    assert effective_number(np.exp(values), runs) == pytest.approx(effective_number(values, runs)) or len(
        np.unique(np.exp(values))
    ) < len(np.unique(values))
    found = blocks(values, runs)
    assert all(len(set(runs[found == k].tolist())) == 1 for k in np.unique(found))


def test_blocks_are_stretches_of_about_two_correlation_times() -> None:
    values = correlated(5000, 0.9, 1)
    found = blocks(values)
    assert (np.diff(found) >= 0).all() and 2 * 19 * 0.6 < 5000 / (found.max() + 1) < 2 * 19 * 1.6


def test_error_bars_hold_the_truth() -> None:
    """Of runs of frames with one σ and one error each; 95 % intervals by run, in contrast to those by frame."""
    truth, hits, naive = 0.0, 0, 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        runs = np.repeat(np.arange(40), 10)
        errors, sigmas = (np.exp(random.normal(size=40))[runs] * np.exp(0.1 * random.normal(size=400)) for _ in "es")
        by_run = bootstrap(spearman, errors, sigmas, group=runs, draws=100)
        by_frame = bootstrap(spearman, errors, sigmas, draws=100)
        hits += by_run.low <= truth <= by_run.high
        naive += by_frame.low <= truth <= by_frame.high
    assert hits >= 50 and naive <= 40


def test_error_bars_of_bins_and_levels_hold_the_truth() -> None:
    """Of a perfect σ, RMSE = RMV and observed = expected, for frames of ten equal atoms resampled as a whole."""
    within, naive, number = 0, 0, 0
    for seed in range(30):
        random = np.random.default_rng(seed)
        frame = np.repeat(np.arange(300), 10)
        sigmas = random.choice([0.1, 0.2, 0.3], 300)[frame]
        errors = sigmas * random.normal(size=300)[frame]
        for group in (frame, None):
            bins = reliability(errors, sigmas, bins=3, group=group)
            levels = quantile_reliability(errors, sigmas, levels=[0.3, 0.6, 0.9], group=group)
            hits = int(bins["rmv"].between(bins["low"], bins["high"]).sum())
            hits += int(levels["expected"].between(levels["low"], levels["high"]).sum())
            if group is None:
                naive += hits
            else:
                within, number = within + hits, number + len(bins) + len(levels)
    assert within > 0.87 * number and naive < 0.65 * number


def test_error_of_a_mean() -> None:
    errors = np.abs(np.random.default_rng(0).normal(size=2000))
    found = bootstrap(lambda e, s: float(e.mean()), errors, np.ones(2000), draws=400)
    width = 2 * 1.96 * errors.std() / np.sqrt(2000)
    assert found.value == errors.mean() and found.high - found.low == pytest.approx(width, rel=0.12)


def test_59_frames_without_failure_and_93_with_one() -> None:
    assert [frames_needed(0.95, 0.95, failures) for failures in (0, 1)] == [59, 93]
    for failures, n in ((0, 59), (1, 93)):
        assert upper_bound(failures, n, 0.95) <= 0.05 < upper_bound(failures, n - 1, 0.95)
    assert 0.95**59 <= 0.05 < 0.95**58  # the closed form


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 300), p=st.floats(0.001, 0.999), confidence=st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_coverage_of_clopper_pearson(n: int, p: float, confidence: float) -> None:
    """Summed exactly over all numbers of failures, the bound holds p at least this often, and the interval too."""
    k = np.arange(n + 1)
    weight = binom.pmf(k, n, p)
    above = np.array([upper_bound(i, n, confidence) >= p for i in k])
    within = np.array([low <= p <= high for low, high in (clopper_pearson(i, n, confidence) for i in k)])
    assert weight[above].sum() >= confidence - 1e-9 and weight[within].sum() >= confidence - 1e-9


def test_coverage_by_simulation() -> None:
    random = np.random.default_rng(0)
    failures = random.binomial(200, 0.05, size=4000)
    share = np.mean([upper_bound(int(k), 200) >= 0.05 for k in failures])
    assert 0.95 <= share < 0.985


def test_bounds_in_words() -> None:
    with pytest.raises(LabkitError, match="5 failures in 3 trials; expected from 0 to n failures"):
        upper_bound(5, 3)
    with pytest.raises(LabkitError, match="confidence is 95; expected a number between 0 and 1, such as 0.95"):
        frames_needed(0.95, 95)
    with pytest.raises(LabkitError, match="failures is -1"):
        frames_needed(failures=-1)


def test_without_draws_there_are_no_error_bars() -> None:
    random = np.random.default_rng(0)
    errors, sigmas = random.normal(size=40), np.abs(random.normal(size=40))
    with_bars, without = (reliability(errors, sigmas, draws=draws) for draws in (20, 0))
    assert without[["low", "high"]].isna().all(axis=None) and not with_bars["low"].isna().any()
    assert without["rmse"].equals(with_bars["rmse"])


def test_values_that_are_not_finite_have_no_correlation() -> None:
    for values, words in (([0.1, np.nan, 0.2], "1 of 3 values are NaN or infinite"), ([], "0 of 0 values")):
        with pytest.raises(LabkitError, match=words):
            effective_number(values)
