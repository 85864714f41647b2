"""ROC: finding errors above a bound by their σ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from labkit.active.calibration.measures.arrays import checked
from labkit.errors import LabkitError


def roc(errors: Any, sigmas: Any, bound: float) -> pd.DataFrame:
    """The share of errors above `bound` that σ >= threshold finds, and the share of the others that are false alarms.

    Columns threshold, found, false_alarms; from a threshold that nothing reaches, which is infinite, to the lowest σ.
    Raises LabkitError if no error, or every one, is above the bound.

    >>> roc([0.1, 0.3, 0.1, 0.4], [1.0, 3.0, 2.0, 2.0], bound=0.2)
       threshold  found  false_alarms
    0        inf    0.0           0.0
    1        3.0    0.5           0.0
    2        2.0    1.0           0.5
    3        1.0    1.0           1.0
    """
    s, large = _large(errors, sigmas, bound)
    order = np.argsort(-s, kind="stable")
    last = np.flatnonzero(np.append(np.diff(s[order]) != 0, True))  # equal sigmas are alarms together
    shares = [np.append(0.0, np.cumsum(x[order])[last] / x.sum()) for x in (large, ~large)]
    return pd.DataFrame({"threshold": np.append(np.inf, s[order][last]), "found": shares[0], "false_alarms": shares[1]})


def auc(errors: Any, sigmas: Any, bound: float) -> float:
    """Area under the ROC: the probability that an error above `bound` has a larger σ than one below; ½ by chance.

    >>> auc([0.1, 0.3, 0.1, 0.4], [1.0, 3.0, 2.0, 2.0], bound=0.2)
    0.875
    """
    s, large = _large(errors, sigmas, bound)
    n, others = int(large.sum()), int((~large).sum())
    return float((rankdata(s)[large].sum() - n * (n + 1) / 2) / (n * others))


def _large(errors: Any, sigmas: Any, bound: float) -> tuple[np.ndarray, np.ndarray]:
    e, s = checked(errors, sigmas)
    large = e > bound
    if large.all() or not large.any():
        raise LabkitError(
            f"{'all' if large.all() else 'none'} of {len(e)} errors are above {bound:.4g}, they are from {e.min():.4g} "
            f"to {e.max():.4g}; choose a bound between"
        )
    return s, large
