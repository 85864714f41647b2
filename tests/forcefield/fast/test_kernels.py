"""What the compiled kernels are made of: exp and log by polynomials."""

from __future__ import annotations

import numba
import numpy as np

from labkit.forcefield.fast.kernels.vector_math import exp_minus, log_ratios


@numba.njit
def exponentials(y, found):
    for k in range(len(y)):
        found[k] = exp_minus(y[k])


@numba.njit
def logarithms(a, b, c, d, found):
    for k in range(len(a)):
        found[0, k], found[1, k] = log_ratios(a[k], b[k], c[k], d[k])


def test_exponentials() -> None:
    y = np.concatenate([[0.0], np.logspace(-300, 0, 1000), np.random.default_rng(0).uniform(0, 700, 100_000)])
    found = np.empty_like(y)
    exponentials(y, found)
    assert np.all(np.abs(found / np.exp(-y) - 1) <= 1e-15 * (1 + y))
    far = np.empty(2)
    exponentials(np.array([800.0, 1e300]), far)
    assert np.all((far > 0) & (far < 1e-303))


def test_logarithms_of_ratios() -> None:
    random = np.random.default_rng(0)
    a, b = np.exp(random.uniform(-40, 40, (2, 100_000)))
    c = np.exp(random.uniform(-2, 5, 100_000))
    d = c * (1 + random.choice([1e-12, 1e-6, 1e-2, 1.0], 100_000) * random.uniform(-0.9, 1, 100_000))
    found = np.empty((2, len(a)))
    logarithms(a, b, c, d, found)
    near = np.log1p((c - d) / d)
    assert np.all(np.abs(found[0] - np.log(a / b)) <= 4e-15 * (1 + np.abs(np.log(a / b))))
    assert np.all(np.abs(found[1] - near) <= 1e-15 + 3e-15 * np.abs(near))
    logarithms(*np.full((4, 1), 3.7), found[:, :1])
    assert found[0, 0] == found[1, 0] == 0.0
