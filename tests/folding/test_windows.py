"""Umbrella windows: unbiased averages by MBAR against a density that is known."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.folding.windows import log_weights

pytest.importorskip("pymbar")


def test_weights_give_back_the_unbiased_density() -> None:
    """Exact samples of exp(-β [4 (x² - 1)² - 0.6 x + ½ k (x - c)²]), two wells."""
    beta, k, centres = 2.0, 8.0, np.linspace(-1.2, 1.2, 7)
    random, x = np.random.default_rng(0), np.linspace(-2, 2, 4001)
    profile = 4 * (x**2 - 1) ** 2 - 0.6 * x
    values, places = [], []
    for place, centre in enumerate(centres):
        density = np.exp(-beta * (profile + 0.5 * k * (x - centre) ** 2))
        count = 1500 + 100 * place
        values.append(random.choice(x, count, p=density / density.sum()))
        places.append(np.full(count, place))
    values, places = np.concatenate(values), np.concatenate(places)
    shuffled = random.permutation(len(values))
    weights = np.exp(log_weights(values[shuffled], places[shuffled], centres, k, beta))
    assert weights.sum() == pytest.approx(1.0)
    exact = np.exp(-beta * profile)
    exact /= exact.sum()
    right = weights[values[shuffled] > 0].sum()
    assert right == pytest.approx(exact[x > 0].sum(), abs=0.02)
    assert np.mean(values > 0) != pytest.approx(right, abs=0.1)  # without weights it is another number


def test_an_empty_window_takes_no_part() -> None:
    random = np.random.default_rng(1)
    values, places = random.normal(scale=0.3, size=400), np.repeat([0, 2], 200)
    weights = log_weights(values, places, np.array([0.0, 5.0, 0.1]), 1.0, 1.0)
    assert np.isfinite(weights).all() and np.exp(weights).sum() == pytest.approx(1.0)
