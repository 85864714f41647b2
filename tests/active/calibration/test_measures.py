"""Measures of spreads against closed forms on synthetic errors: perfect, over- and under-confident, of two sizes."""

import numpy as np
import pytest
from scipy import stats

from labkit.active.calibration.measures import (
    auc,
    calibration_error,
    ence,
    miscalibration_area,
    nll,
    perfect,
    perfect_spearman,
    quantile_reliability,
    reliability,
    roc,
    spearman,
)

N = 40_000
FACTORS = [1.0, 0.5, 0.8, 1.5, 3.0]  # of σ: below 1 over-confident, above 1 under-confident


@pytest.fixture(scope="module")
def sigmas() -> np.ndarray:
    return np.exp(np.random.default_rng(1).normal(-2, 0.6, N))


@pytest.fixture(scope="module")
def errors(sigmas: np.ndarray) -> np.ndarray:
    return np.random.default_rng(2).normal(size=N) * sigmas


@pytest.mark.parametrize("c", FACTORS)
def test_reliability(errors: np.ndarray, sigmas: np.ndarray, c: float) -> None:
    """RMSE = RMV / c, so that ENCE is |1/c - 1| and the calibration error |1 - c| times the mean RMSE of bins."""
    found = reliability(errors, c * sigmas)
    assert found["count"].sum() == N and len(found) == 20 and found["rmv"].is_monotonic_increasing
    np.testing.assert_allclose(found["rmse"], found["rmv"] / c, rtol=0.06)
    assert ence(errors, c * sigmas) == pytest.approx(abs(1 / c - 1), abs=0.03)
    mean = np.average(found["rmse"], weights=found["count"])
    assert calibration_error(errors, c * sigmas) == pytest.approx(abs(c - 1) * mean, abs=0.03 * mean)


def test_heteroscedastic_errors_are_seen_only_by_bins() -> None:
    """One σ for two kinds of frames is right on average; σ times its kind's error swapped is wrong in every bin."""
    true = np.repeat([0.1, 0.4], N // 2)
    errors = np.random.default_rng(3).normal(size=N) * true
    rms = np.full(N, np.sqrt(np.mean(true**2)))
    assert ence(errors, rms) < 0.02  # a single bin, since all sigmas are equal
    swapped = true[::-1]
    assert ence(errors, swapped) == pytest.approx((3 + 3 / 4) / 2, rel=0.03)  # |0.4/0.1 - 1| and |0.1/0.4 - 1|
    assert spearman(errors, true) > 0.5 and spearman(errors, swapped) < -0.5


@pytest.mark.parametrize("c", FACTORS)
def test_miscalibration_area(errors: np.ndarray, sigmas: np.ndarray, c: float) -> None:
    """∫ P(|z| < c z_p) dp = P(|z1| < c |z2|) = (2/π) arctan c, and ½ for c = 1."""
    assert miscalibration_area(errors, c * sigmas) == pytest.approx(abs(2 / np.pi * np.arctan(c) - 0.5), abs=0.005)
    found = quantile_reliability(errors, c * sigmas)
    expected = 2 * stats.norm.cdf(c * stats.norm.ppf((1 + found["expected"]) / 2)) - 1
    np.testing.assert_allclose(found["observed"], expected, atol=0.01)


def test_miscalibration_area_is_that_of_a_fine_grid() -> None:
    errors = np.random.default_rng(0).standard_t(2, size=37)
    grid = np.linspace(0, 1, 200_001)
    found = quantile_reliability(errors, np.full(37, 0.7), levels=grid, draws=0)
    area = np.trapezoid(np.abs(found["observed"] - found["expected"]), grid)
    assert miscalibration_area(errors, np.full(37, 0.7)) == pytest.approx(area, abs=1e-5)


def test_lengths_of_vectors(sigmas: np.ndarray) -> None:
    """For atoms the error is the length of three components, and σ² the sum of their variances."""
    lengths = np.linalg.norm(np.random.default_rng(4).normal(size=(N, 3)), axis=1) * sigmas / np.sqrt(3)
    assert miscalibration_area(lengths, sigmas, dof=3) < 0.006 < 0.03 < miscalibration_area(lengths, sigmas)
    assert ence(lengths, sigmas) < 0.02
    normal = stats.norm.logpdf(0.3, scale=0.2) + 2 * stats.norm.logpdf(0.0, scale=0.2)
    assert nll([0.3, 0.3], [0.2 * np.sqrt(3)] * 2, dof=3) == pytest.approx(-normal / 3)


@pytest.mark.parametrize("c", FACTORS)
def test_likelihood(errors: np.ndarray, sigmas: np.ndarray, c: float) -> None:
    expected = 0.5 * np.log(2 * np.pi) + np.log(c) - 2 + 0.5 / c**2
    assert nll(errors, c * sigmas) == pytest.approx(expected, abs=0.03)
    assert nll(errors, c * sigmas) == pytest.approx(-stats.norm.logpdf(errors, scale=c * sigmas).mean())
    assert nll([0.1, 0.2], [0.0, 0.2]) == np.inf


@pytest.mark.parametrize("ratio", [1.5, 4.0])
def test_perfect_spearman_of_two_sizes(ratio: float) -> None:
    """ρ = √3 (A - ½), with A = P(ratio |z1| > |z2|) = (2/π) arctan(ratio), for equal counts of both."""
    sigmas = np.tile([0.1, 0.1 * ratio], 5000)
    expected = np.sqrt(3) * (2 / np.pi * np.arctan(ratio) - 0.5)
    assert perfect_spearman(sigmas) == pytest.approx(expected, abs=0.01)
    errors = np.random.default_rng(5).normal(size=len(sigmas)) * sigmas
    assert spearman(errors, sigmas) == pytest.approx(expected, abs=0.03)


def test_perfect_is_a_ceiling_and_knows_frames(errors: np.ndarray, sigmas: np.ndarray) -> None:
    """Noise on σ lowers ρ below the perfect one; the worst atom of a frame is drawn as that of many."""
    few, e = sigmas[:4000], errors[:4000]
    noisy = few * np.exp(np.random.default_rng(6).normal(0, 0.6, len(few)))
    ceiling = perfect(spearman, few)
    assert ceiling.low < spearman(e, few) < ceiling.high
    assert spearman(e, noisy) < ceiling.low
    frame = np.repeat(np.arange(400), 10)
    of_frames = perfect(spearman, few, dof=3, frame=frame)
    lengths = np.linalg.norm(np.random.default_rng(7).normal(size=(4000, 3)), axis=1) * few / np.sqrt(3)
    worst = [values.reshape(400, 10).max(1) for values in (lengths, few)]
    assert of_frames.low < spearman(*worst) < of_frames.high


def test_roc_of_two_sizes() -> None:
    """Closed form of the area for frames of two sizes and a bound."""
    sigmas = np.tile([0.1, 0.3], N // 2)
    errors = np.random.default_rng(8).normal(size=N) * sigmas
    above, below = (2 * stats.norm.sf(0.25 / s) for s in (0.1, 0.3))  # large errors among small and large σ
    found, alarms = below / (above + below), (1 - below) / (2 - above - below)
    assert auc(errors, sigmas, 0.25) == pytest.approx(0.5 + (found - alarms) / 2, abs=0.01)
    curve = roc(errors, sigmas, 0.25)
    np.testing.assert_allclose(curve["found"], [0, found, 1], atol=0.02)
    np.testing.assert_allclose(curve["false_alarms"], [0, alarms, 1], atol=0.02)


def test_roc_is_that_of_scikit_learn(errors: np.ndarray, sigmas: np.ndarray) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    e, s = errors[:500], np.round(sigmas[:500], 2)  # with ties
    alarms, found, thresholds = metrics.roc_curve(np.abs(e) > 0.2, s, drop_intermediate=False)
    curve = roc(e, s, 0.2)
    for name, values in (("false_alarms", alarms), ("found", found), ("threshold", thresholds)):
        np.testing.assert_allclose(curve[name], values)
    assert auc(e, s, 0.2) == pytest.approx(metrics.roc_auc_score(np.abs(e) > 0.2, s))
    assert np.trapezoid(curve["found"], curve["false_alarms"]) == pytest.approx(auc(e, s, 0.2))
