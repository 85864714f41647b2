"""Isotonic: any growing function from sigmas or scores to errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import isotonic_regression
from torch import Tensor

from labkit.active.calibration.measures.arrays import checked
from labkit.active.calibration.rescaling import FEWEST
from labkit.errors import LabkitError

EQUAL = 1e-9  # of a sigma, by which equal ones may differ, as those of a GAP far from its data


@dataclass(frozen=True)
class Isotonic:
    """σ' = f(σ), with the growing f that makes the errors most likely, linear between its knots.

    sigmas (K,)  knots, ascending: root mean squares of σ in groups of errors of similar σ
    errors (K,)  f there, √ of the isotonic regression of e²

    Below the first knot f is constant; beyond the last it grows in proportion to σ, as nobody has seen larger ones.
    Source: Best, Chakravarti, Math. Program. 47, 425 (1990), for the regression.

    >>> found = Isotonic.fit([0.1] * 20 + [0.3] * 20, [1.0] * 20 + [2.0] * 20)
    >>> found.apply(torch.tensor([0.5, 1.0, 1.5, 2.0, 4.0]))
    tensor([0.1000, 0.1000, 0.2000, 0.3000, 0.6000])
    """

    sigmas: tuple[float, ...]
    errors: tuple[float, ...]

    @classmethod
    def fit(cls, errors: Any, sigmas: Any, species: Any = None, *, smallest: int = FEWEST) -> Isotonic:
        """`smallest` is the number of errors in a group at least: single ones at the ends would be followed closely."""
        e, s = checked(errors, sigmas, max(smallest, 2))
        if not e.any():
            raise LabkitError("all errors are 0; calibrate on frames that the potential was not trained on")
        order = np.argsort(s, kind="stable")
        starts = _starts(s[order], smallest)
        counts = np.diff([*starts, len(s)])
        squares, variances = (np.add.reduceat(x[order] ** 2, starts) / counts for x in (s, e))
        fitted = isotonic_regression(variances, weights=counts).x
        return cls(*(tuple(np.sqrt(x).tolist()) for x in (squares, fitted)))

    def apply(self, sigmas: Tensor, kinds: Mapping[str, Tensor] | None = None) -> Tensor:
        x, y = (torch.tensor(v, dtype=torch.float64, device=sigmas.device) for v in (self.sigmas, self.errors))
        s = sigmas.to(torch.float64)
        beyond = y[-1] * s / x[-1]
        if len(x) > 1:
            right = torch.searchsorted(x, s.detach()).clamp(1, len(x) - 1)
            part = ((s - x[right - 1]) / (x[right] - x[right - 1])).clamp(0, 1)
            within = y[right - 1] + part * (y[right] - y[right - 1])
        else:
            within = y[0].expand_as(s)
        return torch.where(s > x[-1], beyond, within).to(sigmas.dtype)


def _starts(ordered: np.ndarray, smallest: int) -> np.ndarray:
    """Where groups of at least so many begin; equal sigmas are never parted."""
    firsts = np.flatnonzero(np.append(True, np.diff(ordered) > EQUAL * ordered[1:]))
    starts = [0]
    for k in firsts:
        if k - starts[-1] >= smallest and len(ordered) - k >= smallest:
            starts.append(int(k))
    return np.array(starts)
