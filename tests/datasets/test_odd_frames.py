"""Errors that are expected of frames, from how unlike others they are and how large their forces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.datasets.audit.odd_frames import expected


@settings(max_examples=30, deadline=None)
@given(
    level=st.floats(1e-4, 0.1), unlike=st.floats(0, 1.5), size=st.floats(0, 2), scatter=st.floats(0.05, 0.5),
    odd=st.integers(0, 8), seed=st.integers(0, 2**20),
)  # fmt: skip
def test_a_power_law_is_found_beside_odd_frames(level, unlike, size, scatter, odd, seed):
    rng = np.random.default_rng(seed)
    u, s = np.exp(rng.normal(0, 1, (2, 200)))
    usual = level * u**unlike * s**size
    errors = usual * np.exp(scatter * rng.normal(size=200))
    errors[:odd] = 1e3 * usual[:odd]
    found, spread = expected(errors, u, s)
    assert np.abs(np.log(found / usual))[np.abs(np.log(u * s)) < 3].max() < 6 * scatter / np.sqrt(200) * 4
    assert np.log(spread) == pytest.approx(scatter, rel=0.35)
    assert (errors[:odd] > found[:odd] * spread**5).all()


def test_errors_never_shrink_with_larger_forces():
    size = np.geomspace(0.1, 10, 50)
    found, _ = expected(0.01 / size, np.ones(50), size)
    assert np.allclose(found, found[0])


def test_missing_errors_are_left_out():
    errors = np.full(20, 0.02)
    errors[3] = np.nan
    found, _ = expected(errors, np.ones(20), np.ones(20))
    assert np.allclose(found, 0.02)
