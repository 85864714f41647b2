"""Calls to a target, and what a strategy saves against another, with paired bootstrap intervals."""

from __future__ import annotations

import numpy as np

from labkit.errors import LabkitError

DRAWS = 10_000


def calls_to_target(calls: np.ndarray, errors: np.ndarray, target: float) -> tuple[float, bool]:
    """Calls after which an error is at the target for the first time, and whether it was reached at all.

    Between two rounds ln(error) is linear in ln(calls). Not reached: the calls made, of which more would be needed.

    >>> calls, reached = calls_to_target(np.array([10, 100]), np.array([0.2, 0.05]), 0.1)
    >>> round(calls, 1), reached
    (31.6, True)
    """
    below = np.flatnonzero(errors <= target)
    if not len(below):
        return float(calls[-1]), False
    k = int(below[0])
    if k == 0 or errors[k] <= 0:
        return float(calls[k]), True
    part = (np.log(errors[k - 1]) - np.log(target)) / (np.log(errors[k - 1]) - np.log(errors[k]))
    return float(np.exp((1 - part) * np.log(calls[k - 1]) + part * np.log(calls[k]))), True


def error_at(calls: np.ndarray, errors: np.ndarray, at: float) -> float:
    """The error after so many calls, between two rounds as above; NaN outside of what was measured."""
    if not calls[0] <= at <= calls[-1]:
        return float("nan")
    return float(np.exp(np.interp(np.log(at), np.log(calls), np.log(errors))))


def paired_interval(
    ours: np.ndarray, theirs: np.ndarray, level: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """1 - mean(ours)/mean(theirs), and its interval by bootstrap over pairs; NaN for the interval of one pair.

    A pair has the same seed: the same first frames. Percentiles of 10,000 draws of pairs with replacement; of five
    pairs such an interval is somewhat too narrow.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993).

    >>> saving, low, high = paired_interval(np.array([30.0, 20.0, 40.0]), np.array([100.0, 90.0, 110.0]))
    >>> round(saving, 2), low < 0.7 < high
    (0.7, True)
    """
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    if ours.shape != theirs.shape or ours.ndim != 1 or not len(ours):
        raise LabkitError(f"paired_interval: {ours.shape} and {theirs.shape} values; expected pairs, at least one")
    whole = 1 - ours.mean() / theirs.mean()
    if len(ours) == 1:
        return float(whole), float("nan"), float("nan")
    rows = np.random.default_rng(seed).integers(len(ours), size=(DRAWS, len(ours)))
    drawn = 1 - ours[rows].mean(axis=1) / theirs[rows].mean(axis=1)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(whole), float(low), float(high)
