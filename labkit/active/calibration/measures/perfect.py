"""What a measure gives for errors that are exactly as large as the sigmas say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from labkit.active.calibration.measures.arrays import checked_labels, checked_sigmas
from labkit.active.calibration.measures.interval import Interval
from labkit.errors import LabkitError

Measure = Callable[[np.ndarray, np.ndarray], float]


def drawn(sigmas: np.ndarray, dof: int, random: np.random.Generator) -> np.ndarray:
    """Errors of these sigmas: the length of a vector of `dof` components of variance σ²/dof, N(0, σ²) for one."""
    return sigmas * np.sqrt(random.chisquare(dof, len(sigmas)) / dof)


def perfect(
    measure: Measure, sigmas: Any, dof: int = 1, *, frame: Any = None, draws: int = 50, seed: int = 0
) -> Interval:
    """A measure(errors, sigmas) for errors drawn from their sigmas: the mean, and the middle 95 % of the draws.

    dof     1 for components of forces and for energies; 3 for atoms, whose error is a vector's length and
            σ² = σ_x² + σ_y² + σ_z²
    frame   numbers of frames: errors and sigmas are then the largest of each frame, as if errors of its
            atoms were independent

    No finite sample is measured as perfect: ρ is below 1 and ENCE above 0. This is how far below and above. A measured
    ρ above it means that errors vary in size more than σ does: rescale by a power law or isotonically, then compare.

    >>> from labkit.active.calibration.measures import spearman
    >>> sigmas = np.exp(np.random.default_rng(0).normal(size=500))
    >>> found = perfect(spearman, sigmas)
    >>> found.low < found.value < found.high, round(found.value, 1)
    (True, 0.7)
    """
    s, random = checked_sigmas(sigmas), np.random.default_rng(seed)
    if dof < 1 or draws < 1:
        raise LabkitError(f"dof is {dof} and draws {draws}; expected 1 or more of each")
    index = None if frame is None else checked_labels(frame, len(s), "frame")
    found, undefined = [], LabkitError("")
    for _ in range(draws):
        e = drawn(s, dof, random)
        try:
            found.append(measure(e, s) if index is None else measure(largest(e, index), largest(s, index)))
        except LabkitError as error:  # such as an AUC without large errors
            undefined = error
    if not found:
        raise undefined
    low, high = np.quantile(found, (0.025, 0.975))
    return Interval(float(np.mean(found)), float(low), float(high))


def largest(values: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """The largest value of each frame, in ascending order of the frames' numbers.

    >>> largest(np.array([0.1, 0.4, 0.2]), np.array([0, 0, 1]))
    array([0.4, 0.2])
    """
    _, index = np.unique(frame, return_inverse=True)
    found = np.full(index.max(initial=-1) + 1, -np.inf)
    np.maximum.at(found, index, values)
    return found
