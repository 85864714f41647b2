"""Error bars of a measure by resampling frames, or whole trajectories and blocks of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.active.calibration.measures.arrays import check_share, checked, checked_labels
from labkit.active.calibration.measures.interval import Interval
from labkit.active.calibration.measures.perfect import Measure
from labkit.errors import LabkitError


def bootstrap(
    measure: Measure,
    errors: Any,
    sigmas: Any,
    *,
    group: Any = None,
    draws: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """A measure(errors, sigmas), and the percentile interval of its values for resampled errors.

    group   what belongs together, one label for each error: its trajectory, its block of one (see `blocks`), or at
            least its frame, whose atoms are alike. Groups are drawn with replacement; None draws single errors

    A measure that is 0 at best, such as ENCE, is larger for resamples on average: where it is close to that of perfect
    sigmas its interval may lie above its value; compare it with `perfect`.

    Resamples for which the measure is undefined, such as an AUC without large errors, are left out.
    Raises LabkitError for fewer than two groups.

    >>> from labkit.active.calibration.measures import spearman
    >>> errors, sigmas = np.random.default_rng(0).normal(size=(2, 300))
    >>> found = bootstrap(spearman, errors, np.abs(sigmas))
    >>> found.low < found.value < found.high
    True
    """
    e, s = checked(errors, sigmas)
    check_share(confidence, "confidence")
    labels = np.arange(len(e)) if group is None else checked_labels(group, len(e), "group")
    _, index = np.unique(labels, return_inverse=True)
    order, counts = np.argsort(index, kind="stable"), np.bincount(index)
    if len(counts) < 2:
        raise LabkitError(
            f"all {len(e)} errors belong to the group {str(labels[0])!r}; error bars need two or more groups"
        )
    value = measure(e, s)  # what is wrong with all of them is said here
    starts, random = np.cumsum(counts) - counts, np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        chosen = random.integers(len(counts), size=len(counts))
        many = counts[chosen]
        rows = order[np.repeat(starts[chosen] - np.cumsum(many) + many, many) + np.arange(many.sum())]
        try:
            found.append(measure(e[rows], s[rows]))
        except LabkitError:
            continue
    if len(found) < draws / 2:
        raise LabkitError(
            f"the measure is undefined for {draws - len(found)} of {draws} resamples of {len(counts)} groups; "
            "give more frames"
        )
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))


def resampled_sums(group: np.ndarray | None, counts: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Sums (draws, B) of counts (n, B) over resampled groups, for the error bars of many bins at once."""
    labels = np.arange(len(counts)) if group is None else checked_labels(group, len(counts), "group")
    _, index = np.unique(labels, return_inverse=True)
    sums = np.zeros((index.max() + 1, counts.shape[1]))
    np.add.at(sums, index, counts)
    random, n = np.random.default_rng(seed), len(sums)
    return np.stack([np.bincount(random.integers(n, size=n), minlength=n) @ sums for _ in range(draws)])
