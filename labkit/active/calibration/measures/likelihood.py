"""Negative log-likelihood of errors under normal distributions of width σ."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from labkit.active.calibration.measures.arrays import checked


def nll(errors: Any, sigmas: Any, dof: int = 1) -> float:
    """-ln likelihood, the mean of ½ ln(2π σ²/d) + e²/(2 σ²), for a component of an error of `dof` = d components.

    It rewards a σ of the right size that also tells frames apart. Errors in eV/Å give ln(eV/Å): only differences
    between uncertainties on the same frames mean something. Infinite if a σ is 0.

    >>> round(nll([1.0, -1.0], [1.0, 1.0]), 4), round(0.5 * math.log(2 * math.pi) + 0.5, 4)
    (1.4189, 1.4189)
    """
    e, s = checked(errors, sigmas)
    if not s.all():
        return math.inf
    return float(0.5 * math.log(2 * math.pi / dof) + np.mean(np.log(s) + 0.5 * (e / s) ** 2))
