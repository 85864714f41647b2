"""Reliability diagram: errors of frames of similar σ against that σ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from labkit.active.calibration.measures.arrays import checked
from labkit.active.calibration.measures.bootstrap import resampled_sums
from labkit.errors import LabkitError

BINS = 20
IN_A_BIN = 10  # errors at least, unless `bins` is given: an RMSE of fewer is off by a quarter


def reliability(
    errors: Any, sigmas: Any, bins: int | None = None, *, group: Any = None, draws: int = 200, seed: int = 0
) -> pd.DataFrame:
    """RMSE √mean(e²) against RMV √mean(σ²) in bins of similar σ and about equal counts; equal if σ is right.

    Columns rmv, rmse, low, high (95 % of the RMSE, by bootstrap of `group`, as in `bootstrap`), count, in ascending
    order of σ. Equal sigmas are never parted, so that there may be fewer bins. By default 20 bins, or fewer of ten
    errors.
    Source: Levi, Gispan, Giladi, Fetaya, Sensors 22, 5540 (2022).

    >>> reliability([0.1, -0.1, 0.4, -0.2], [0.1, 0.1, 0.3, 0.3], bins=2)[["rmv", "rmse", "count"]].round(3)
       rmv   rmse  count
    0  0.1  0.100      2
    1  0.3  0.316      2
    """
    e, s = checked(errors, sigmas)
    index = _bin_of_each(e, s, bins)
    (rmv, rmse), counts = _of_bins(e, s, index)
    low = high = np.full(len(counts), np.nan)
    if draws:
        member = np.eye(len(counts))[index]
        sums = resampled_sums(group, np.hstack([member * (e**2)[:, None], member]), draws, seed)
        with np.errstate(invalid="ignore"):
            drawn = np.sqrt(sums[:, : len(counts)] / sums[:, len(counts) :])  # NaN where a bin was not drawn
        low, high = np.nanquantile(drawn, (0.025, 0.975), axis=0)
    return pd.DataFrame({"rmv": rmv, "rmse": rmse, "low": low, "high": high, "count": counts})


def ence(errors: Any, sigmas: Any, bins: int | None = None) -> float:
    """Expected normalised calibration error, the mean over bins of |RMSE - RMV| / RMV; see `reliability`.

    Zero for a perfect σ and many errors; a σ that is c times too small gives c - 1. Infinite if a bin has σ = 0.

    >>> round(ence([0.2, -0.2, 0.4, -0.4], [0.1, 0.1, 0.2, 0.2], bins=2), 3)
    1.0
    """
    e, s = checked(errors, sigmas)
    (rmv, rmse), _ = _of_bins(e, s, _bin_of_each(e, s, bins))
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.where(rmse == rmv, 0.0, np.abs(rmse - rmv) / rmv)
    return float(off.mean())


def calibration_error(errors: Any, sigmas: Any, bins: int | None = None) -> float:
    """Σ n_bin |RMSE - RMV| / n over bins, in the unit of the errors; see `reliability`.

    >>> round(calibration_error([0.2, -0.2, 0.4, -0.4], [0.1, 0.1, 0.2, 0.2], bins=2), 3)
    0.15
    """
    e, s = checked(errors, sigmas)
    (rmv, rmse), counts = _of_bins(e, s, _bin_of_each(e, s, bins))
    return float(np.average(np.abs(rmse - rmv), weights=counts))


def _bin_of_each(e: np.ndarray, s: np.ndarray, bins: int | None) -> np.ndarray:
    """The bin of each error, from 0 without gaps."""
    if bins is not None and (int(bins) != bins or not 1 <= bins <= len(e)):
        raise LabkitError(f"bins is {bins!r}; expected a whole number from 1 to the number of errors, {len(e)}")
    number = int(bins or max(1, min(BINS, len(e) // IN_A_BIN)))
    edges = np.sort(s)[np.arange(1, number) * len(s) // number]
    return np.unique(np.searchsorted(np.unique(edges), s, side="right"), return_inverse=True)[1]


def _of_bins(e: np.ndarray, s: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """RMV and RMSE (2, B), and counts (B,)."""
    counts = np.bincount(index)
    return np.sqrt([np.bincount(index, values**2) / counts for values in (s, e)]), counts
