"""Rank correlation of errors and sigmas."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from labkit.active.calibration.measures.arrays import checked
from labkit.active.calibration.measures.perfect import perfect
from labkit.errors import LabkitError


def spearman(errors: Any, sigmas: Any) -> float:
    """Spearman's ρ, the correlation of the ranks of |e| and σ; equal values share their mean rank.

    Even a perfect σ is far from 1, as errors scatter about it: compare with `perfect_spearman`. Raises LabkitError
    if all errors or all sigmas are equal.

    >>> round(spearman([0.1, -0.3, 0.2, 0.5], [1, 2, 3, 4]), 3)
    0.8
    """
    e, s = checked(errors, sigmas)
    for values, name in ((e, "errors"), (s, "sigmas")):
        if values.min() == values.max():
            raise LabkitError(f"all {len(values)} {name} are {values[0]:.3g}; equal values have no order")
    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (e, s)]
    return float(np.clip(ranks[0] @ ranks[1] / np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1])), -1, 1))


def perfect_spearman(sigmas: Any, dof: int = 1, *, frame: Any = None, draws: int = 50, seed: int = 0) -> float:
    """The mean ρ of errors drawn from N(0, σ²): what a perfect σ reaches on these frames; see `perfect`."""
    return perfect(spearman, sigmas, dof, frame=frame, draws=draws, seed=seed).value
