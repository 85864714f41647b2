"""What holds for any errors and sigmas: bounds, permutations, scaling; and bad input in words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from labkit.active.calibration.measures import (
    auc,
    bootstrap,
    calibration_error,
    ence,
    miscalibration_area,
    nll,
    perfect,
    quantile_reliability,
    reliability,
    roc,
    spearman,
)
from labkit.errors import LabkitError

SIZES = st.sampled_from([0.0, 0.01, 0.02, 0.1, 0.5, 3.0]) | st.floats(1e-3, 10)  # with ties
PAIRS = st.integers(3, 60).flatmap(
    lambda n: st.tuples(
        arrays(float, n, elements=SIZES.flatmap(lambda x: st.sampled_from([x, -x]))),
        arrays(float, n, elements=SIZES.map(lambda x: max(x, 1e-3))),
    )
)
MEASURES = {
    "spearman": spearman,
    "ence": ence,
    "calibration error": calibration_error,
    "area": miscalibration_area,
    "nll": nll,
    "auc": lambda e, s: auc(e, s, float(np.sort(np.abs(e))[len(e) // 2])),
}


def value(name: str, errors: np.ndarray, sigmas: np.ndarray) -> float | None:
    """None where a measure is undefined, as for equal errors."""
    try:
        return MEASURES[name](errors, sigmas)
    except LabkitError:
        return None


@pytest.mark.parametrize("name", MEASURES)
@settings(max_examples=60, deadline=None)
@given(pair=PAIRS, seed=st.integers(0, 99), factor=st.sampled_from([0.25, 2.0, 64.0]))
def test_order_sign_and_unit(name: str, pair: tuple, seed: int, factor: float) -> None:
    """No measure depends on order or signs; in other units only the likelihood and the calibration error differ."""
    errors, sigmas = pair
    found = value(name, errors, sigmas)
    order = np.random.default_rng(seed).permutation(len(errors))
    again, scaled = value(name, -errors[order], sigmas[order]), value(name, factor * errors, factor * sigmas)
    if found is None:
        assert again is None and scaled is None
        return
    expected = {"nll": found + np.log(factor), "calibration error": factor * found}.get(name, found)
    assert again == pytest.approx(found, rel=1e-9, abs=1e-12)
    assert scaled == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(pair=PAIRS)
def test_bounds(pair: tuple) -> None:
    errors, sigmas = pair
    assert 0 <= miscalibration_area(errors, sigmas) <= 0.5
    assert ence(errors, sigmas) >= 0 and calibration_error(errors, sigmas) >= 0
    table = reliability(errors, sigmas, bins=3)
    assert table["count"].sum() == len(errors) and (table["count"] > 0).all() and 1 <= len(table) <= 3
    assert np.average(table["rmse"] ** 2, weights=table["count"]) == pytest.approx(np.mean(errors**2))
    assert quantile_reliability(errors, sigmas)["observed"].between(0, 1).all()
    if (area := value("auc", errors, sigmas)) is not None:
        bound = float(np.sort(np.abs(errors))[len(errors) // 2])
        curve = roc(errors, sigmas, bound)
        assert 0 <= area <= 1 and curve["found"].is_monotonic_increasing and curve["found"].iloc[-1] == 1
        assert auc(errors, len(sigmas) + 1 - stats.rankdata(sigmas), bound) == pytest.approx(1 - area)


@settings(max_examples=60, deadline=None)
@given(pair=PAIRS)
def test_spearman_is_scipys_and_knows_ranks_only(pair: tuple) -> None:
    errors, sigmas = pair
    if (found := value("spearman", errors, sigmas)) is not None:
        assert found == pytest.approx(stats.spearmanr(np.abs(errors), sigmas).statistic, abs=1e-12)
        ranks = stats.rankdata(sigmas)
        assert found == pytest.approx(spearman(errors, ranks**2), abs=1e-12)


WRONG = {
    "sizes": ([0.1, 0.2], [0.1], r"errors have shape \(2,\) and sigmas \(1,\); expected one sigma for each error"),
    "few": ([0.1], [0.1], "too few frames: 1 errors; expected 2 or more"),
    "nan errors": ([0.1, np.nan], [0.1, 0.2], r"1 of 2 errors \(the first is number 1\) are NaN or infinite"),
    "all nan": ([0.1, 0.2], [np.nan, np.nan], "all 2 sigmas are NaN or infinite"),
    "zero": ([0.1, 0.2], [0.0, 0.0], "all 2 sigmas are 0: equal members of a committee"),
    "negative": ([0.1, 0.2], [0.1, -0.2], r"\(the first is number 1\) are negative \(-0.2\); expected standard dev"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("measure", [*MEASURES.values(), reliability, quantile_reliability])
def test_bad_input_in_words(case: str, measure) -> None:
    errors, sigmas, words = WRONG[case]
    if measure is MEASURES["auc"]:
        measure = lambda e, s: auc(e, s, 0.15)  # noqa: E731
    with pytest.raises(LabkitError, match=words):
        measure(errors, sigmas)


def test_undefined_in_words() -> None:
    with pytest.raises(LabkitError, match="all 3 sigmas are 0.1; equal values have no order"):
        spearman([1, 2, 3], [0.1] * 3)
    with pytest.raises(LabkitError, match="none of 3 errors are above 5, they are from 1 to 3; choose a bound between"):
        auc([1, 2, 3], [1, 2, 3], 5)
    with pytest.raises(LabkitError, match="bins is 9; expected a whole number from 1 to the number of errors, 3"):
        reliability([1, 2, 3], [1, 2, 3], bins=9)
    with pytest.raises(LabkitError, match="all 3 errors belong to the group 'a'; error bars need two or more groups"):
        bootstrap(spearman, [1, 2, 3], [1, 2, 3], group=["a"] * 3)
    with pytest.raises(LabkitError, match="2 values of group for 3 errors"):
        bootstrap(spearman, [1, 2, 3], [1, 2, 3], group=["a"] * 2)
    with pytest.raises(LabkitError, match="dof is 0 and draws 50; expected 1 or more"):
        perfect(spearman, [1, 2, 3], 0)
