"""Quantile reliability: how many errors lie within the intervals that σ promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammainc

from labkit.active.calibration.measures.arrays import checked
from labkit.active.calibration.measures.bootstrap import resampled_sums

LEVELS = np.linspace(0.05, 0.95, 19)


def quantile_reliability(
    errors: Any,
    sigmas: Any,
    dof: int = 1,
    levels: Any = LEVELS,
    *,
    group: Any = None,
    draws: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """The share of errors within the central interval that should hold the share p of them, for levels p.

    Columns expected, observed, low, high (95 %, by bootstrap of `group`, as in `bootstrap`). Where fewer are observed,
    σ is too small. `dof` is as in `perfect`: 3 for lengths.
    Source: Kuleshov, Fenner, Ermon, ICML 2018.

    >>> found = quantile_reliability([0.1, -0.3, 0.9, 2.5], [1, 1, 1, 1], levels=[0.5, 0.95])
    >>> found[["expected", "observed"]]
       expected  observed
    0      0.50      0.50
    1      0.95      0.75
    """
    ranks, p = _ranks(*checked(errors, sigmas), dof), np.atleast_1d(np.asarray(levels, dtype=float))
    observed = np.searchsorted(np.sort(ranks), p, side="right") / len(ranks)
    low = high = np.full(len(p), np.nan)
    if draws:
        within = np.hstack([ranks[:, None] <= p, np.ones((len(ranks), 1))]).astype(float)
        sums = resampled_sums(group, within, draws, seed)
        low, high = np.quantile(sums[:, :-1] / sums[:, -1:], (0.025, 0.975), axis=0)
    return pd.DataFrame({"expected": p, "observed": observed, "low": low, "high": high})


def miscalibration_area(errors: Any, sigmas: Any, dof: int = 1) -> float:
    """∫ |observed(p) - p| dp over all levels p from 0 to 1, exactly; from 0 to 1/2, see `quantile_reliability`.

    >>> miscalibration_area([5.0, -7.0], [1e-9, 1e-9])  # σ far too small: nothing lies within
    0.5
    """
    ranks = np.sort(_ranks(*checked(errors, sigmas), dof))
    edges, steps = np.concatenate([[0.0], ranks, [1.0]]), np.arange(len(ranks) + 1) / len(ranks)
    low, high = edges[:-1] - steps, edges[1:] - steps
    return float(0.5 * (high * np.abs(high) - low * np.abs(low)).sum())


def _ranks(e: np.ndarray, s: np.ndarray, dof: int) -> np.ndarray:
    """The share of errors of this σ that should be smaller than e: P(χ²_dof < dof e²/σ²); 1 for σ = 0 < e."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(e > 0, (e / s) ** 2, 0.0)
    return gammainc(dof / 2, dof * ratio / 2)
