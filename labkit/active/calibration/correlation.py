"""Frames of a trajectory are alike: how many independent ones they are worth."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from labkit.active.calibration.measures.arrays import checked_labels
from labkit.errors import LabkitError


def inefficiency(values: Any, trajectory: Any = None) -> float:
    """Statistical inefficiency g = 1 + 2 Σ_t (1 - t/n) ρ_t: n frames in order of time are worth n/g independent ones.

    trajectory   label of the run of each frame; correlations are followed within runs, about the mean of all of them

    The autocorrelation ρ of the ranks of the values is summed up to its first value <= 0. Ranks stay the same however
    errors are scaled. A single run that is shorter than its correlation time looks more
    independent than it is. Raises LabkitError for NaN, and for no values at all.
    Source: Chodera, Swope, Pitera, Seok, Shirts, J. Chem. Theory Comput. 3, 26 (2007).

    >>> inefficiency(np.repeat([0.3, 0.1, 0.2, 0.4], 5), np.repeat([0, 1, 2, 3], 5))  # four runs of equal frames
    5.0
    """
    x = np.asarray(values, dtype=float).ravel()
    if not len(x) or not np.isfinite(x).all():
        raise LabkitError(
            f"{(~np.isfinite(x)).sum()} of {len(x)} values are NaN or infinite; expected one or more numbers"
        )
    x = rankdata(x)
    x, n = x - x.mean(), len(x)
    labels = np.zeros(n) if trajectory is None else checked_labels(trajectory, n, "trajectory")
    if n < 2 or not x.any():  # equal values show no motion: each run counts once
        return n / len(np.unique(labels))
    runs = [x[labels == label] for label in np.unique(labels)]
    longest = max(map(len, runs))
    size = 1 << (2 * longest - 1).bit_length()
    sums, pairs = np.zeros(longest), np.zeros(longest)
    for run in runs:
        sums[: len(run)] += np.fft.irfft(np.abs(np.fft.rfft(run, size)) ** 2, size)[: len(run)]
        pairs[: len(run)] += np.arange(len(run), 0, -1)
    correlation = sums / pairs / (x @ x / n)
    end = np.flatnonzero(correlation <= 1e-12)
    end = end[0] if len(end) else longest
    return float(np.clip(1 + 2 * (pairs * np.minimum(correlation, 1))[1:end].sum() / n, 1, n))


def effective_number(values: Any, trajectory: Any = None) -> float:
    """How many independent frames these are worth, n/g; see `inefficiency`."""
    return len(np.ravel(values)) / inefficiency(values, trajectory)


def blocks(values: Any, trajectory: Any = None) -> np.ndarray:
    """A number for each frame, equal within blocks of its run that are about 2 g long, which are resampled as a whole.

    >>> blocks([0.1, 0.5, 0.2, 0.4], ["a", "a", "b", "b"]).tolist()
    [0, 0, 1, 1]
    """
    n = len(np.ravel(values))
    labels = np.zeros(n) if trajectory is None else checked_labels(trajectory, n, "trajectory")
    g = inefficiency(values, trajectory)
    length = 1 if g < 1.5 and trajectory is None else int(np.ceil(2 * g))
    found, start = np.empty(n, dtype=int), 0
    for label in dict.fromkeys(labels.tolist()):
        mine = np.flatnonzero(labels == label)
        number = max(1, len(mine) // length)
        found[mine] = start + np.arange(len(mine)) * number // len(mine)
        start += number
    return found
