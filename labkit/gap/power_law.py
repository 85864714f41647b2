"""How errors decrease with the amount of data: a straight line in a log-log plot, and its extrapolation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.errors import LabkitError


@dataclass(frozen=True)
class PowerLaw:
    """error = a N^-b, by least squares of log error against log N.

    exponent, prefactor  b, a
    spread               standard error of b; NaN from two points
    covariance           (2, 2) of (log a, -b)

    >>> law = PowerLaw.through([100, 200, 400], [40.0, 28.28, 20.0])
    >>> round(law.exponent, 2), round(float(law.at(800)[0]), 1)
    (0.5, 14.1)
    """

    exponent: float
    prefactor: float
    spread: float
    covariance: np.ndarray

    @classmethod
    def through(cls, sizes: np.ndarray, errors: np.ndarray) -> PowerLaw:
        x, y = np.log(np.asarray(sizes, float)), np.log(np.asarray(errors, float))
        if len(x) < 2 or not np.isfinite(y).all():
            raise LabkitError(f"a slope needs at least two sizes with errors above 0; found {len(x)}")
        matrix = np.stack([np.ones_like(x), x], 1)
        (intercept, slope), *_ = np.linalg.lstsq(matrix, y, rcond=None)
        free = len(x) - 2
        residual = y - matrix @ [intercept, slope]
        variance = float(residual @ residual) / free if free else np.nan
        covariance = variance * np.linalg.inv(matrix.T @ matrix)
        return cls(-float(slope), float(np.exp(intercept)), float(np.sqrt(covariance[1, 1])), covariance)

    def at(self, size: float) -> tuple[float, float]:
        """The error expected at `size` frames, and its uncertainty (one standard error) as a factor of 1 or more."""
        row = np.array([1.0, np.log(size)])
        value = self.prefactor * size**-self.exponent
        return float(value), float(np.exp(np.sqrt(row @ self.covariance @ row)))
