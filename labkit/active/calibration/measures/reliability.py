"""Reliability diagram: errors of frames of similar σ against that σ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from labkit.active.calibration.measures.arrays import checked
from labkit.errors import LabkitError

BINS = 20
IN_A_BIN = 10  # errors at least, unless `bins` is given: an RMSE of fewer is off by a quarter


def reliability(errors: Any, sigmas: Any, bins: int | None = None) -> pd.DataFrame:
    """RMSE √mean(e²) against RMV √mean(σ²) in bins of similar σ and about equal counts; equal if σ is right.

    Columns rmv, rmse, count, in ascending order of σ. Equal sigmas are never parted, so that there may be fewer bins.
    By default 20 bins, or fewer of ten errors.
    Source: Levi, Gispan, Giladi, Fetaya, Sensors 22, 5540 (2022).

    >>> reliability([0.1, -0.1, 0.4, -0.2], [0.1, 0.1, 0.3, 0.3], bins=2).round(3)
       rmv   rmse  count
    0  0.1  0.100      2
    1  0.3  0.316      2
    """
    e, s = checked(errors, sigmas)
    found, counts = _bins(e, s, bins)
    return pd.DataFrame({"rmv": found[0], "rmse": found[1], "count": counts})


def ence(errors: Any, sigmas: Any, bins: int | None = None) -> float:
    """Expected normalised calibration error, the mean over bins of |RMSE - RMV| / RMV; see `reliability`.

    Zero for a perfect σ and many errors; a σ that is c times too small gives c - 1. Infinite if a bin has σ = 0.

    >>> round(ence([0.2, -0.2, 0.4, -0.4], [0.1, 0.1, 0.2, 0.2], bins=2), 3)
    1.0
    """
    (rmv, rmse), _ = _bins(*checked(errors, sigmas), bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.where(rmse == rmv, 0.0, np.abs(rmse - rmv) / rmv)
    return float(off.mean())


def calibration_error(errors: Any, sigmas: Any, bins: int | None = None) -> float:
    """Σ n_bin |RMSE - RMV| / n over bins, in the unit of the errors; see `reliability`.

    >>> round(calibration_error([0.2, -0.2, 0.4, -0.4], [0.1, 0.1, 0.2, 0.2], bins=2), 3)
    0.15
    """
    (rmv, rmse), counts = _bins(*checked(errors, sigmas), bins)
    return float(np.average(np.abs(rmse - rmv), weights=counts))


def _bins(e: np.ndarray, s: np.ndarray, bins: int | None) -> tuple[np.ndarray, np.ndarray]:
    """RMV and RMSE (2, B), and counts (B,)."""
    if bins is not None and (int(bins) != bins or not 1 <= bins <= len(e)):
        raise LabkitError(f"bins is {bins!r}; expected a whole number from 1 to the number of errors, {len(e)}")
    number = int(bins or max(1, min(BINS, len(e) // IN_A_BIN)))
    ordered = np.sort(s)
    edges = np.unique(ordered[np.arange(1, number) * len(s) // number])
    index = np.searchsorted(edges, s, side="right")
    counts = np.bincount(index, minlength=len(edges) + 1)
    sums = np.array([np.bincount(index, values**2, len(counts)) for values in (s, e)])
    full = counts > 0
    return np.sqrt(sums[:, full] / counts[full]), counts[full]
