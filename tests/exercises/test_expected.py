"""Tolerances and mistakes, in clear and sealed: both kinds answer alike."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError
from labkit.exercises import Expected
from labkit.exercises.sealed import FINE, Sealed

KINDS = [Expected, Sealed.of]


@pytest.mark.parametrize("make", KINDS)
def test_relative_and_absolute_tolerance(make):
    near, close = make(-412.0, rel=0.05), make(0.3, abs=0.02)
    assert near.right(-412.0 * 1.049) and near.right(-412.0 / 1.049) and not near.right(-412.0 * 1.07)
    assert not near.right(412.0) and not near.right(0.0)
    assert close.right(0.281) and close.right(0.319) and not close.right(0.33) and not close.right(0.27)


@pytest.mark.parametrize("make", KINDS)
def test_without_a_tolerance_the_number_itself(make):
    count = make(1850)
    assert count.right(1850) and count.right(1850.0) and not count.right(1851) and not count.right(1850.1)


@pytest.mark.parametrize("make", KINDS)
def test_words(make):
    word = make("forces", mistakes={"energy": "Look again."})
    assert word.text and word.right(" Forces ") and not word.right("force") and word.mistake("ENERGY") == "Look again."


@pytest.mark.parametrize("make", KINDS)
def test_mistakes_are_told(make):
    target = make(412.0, rel=0.02, mistakes={300.0: "Training error.", 412e3: "Unit."})
    assert (target.mistake(301.0), target.mistake(411e3), target.mistake(100.0)) == ("Training error.", "Unit.", "")


@settings(max_examples=30, deadline=None)
@given(st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-6), st.sampled_from([0.001, 0.05, 0.5]), st.floats(-1, 1))
def test_sealed_takes_all_within_and_none_far_from_its_tolerance(value, rel, part):
    """Right within the tolerance; wrong from a bin and a half beyond."""
    sealed = Sealed.of(value, rel=rel)
    assert sealed.right(value * (1 + rel) ** (0.999999 * part))
    beyond = 1 + 1.5 / FINE
    assert not sealed.right(value * (1 + rel) ** beyond) and not sealed.right(value / (1 + rel) ** beyond)


@pytest.mark.parametrize("tolerance", [{"rel": -0.1}, {"abs": -1}, {"rel": 0.1, "abs": 0.1}, {"rel": 1.0}])
def test_tolerances_that_make_no_sense(tolerance):
    with pytest.raises(LabkitError, match="expected one of them"):
        Sealed.of(1.0, **tolerance)


@pytest.mark.parametrize(("value", "tolerance"), [(0.0, {"rel": 0.1}), (float("nan"), {}), (float("inf"), {"abs": 1})])
def test_values_that_cannot_be_sealed(value, tolerance):
    with pytest.raises(LabkitError, match="cannot be sealed"):
        Sealed.of(value, **tolerance)


def test_a_mistake_that_is_right_is_refused():
    with pytest.raises(LabkitError, match="within the tolerance"):
        Sealed.of(10.0, rel=0.1, mistakes={10.5: "no"})


def test_salts_differ_and_nothing_shows_the_value():
    one, other = Sealed.of(412.0, rel=0.05), Sealed.of(412.0, rel=0.05)
    assert one.salt != other.salt and not one.hashes & other.hashes
    assert 412.0 not in vars(one).values() and len(one.hashes) in (9, 10)
