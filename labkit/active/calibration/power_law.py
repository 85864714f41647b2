"""PowerOfSigma: an uncertainty that ranks errors better than it sizes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from torch import Tensor

from labkit.active.calibration.measures.arrays import checked
from labkit.active.calibration.rescaling import FEWEST, ZERO
from labkit.errors import LabkitError

#: width of the prior of the exponent about 1, where few frames or equal ones say nothing about it
WIDTH = 1.0


@dataclass(frozen=True)
class PowerOfSigma:
    """σ' = a σ^b, fitted as in `calibrate` for energies.

    >>> sigmas = np.linspace(0.1, 1.0, 500)
    >>> found = PowerOfSigma.fit(3 * sigmas**2 * np.random.default_rng(0).normal(size=500), sigmas)
    >>> round(found.scale), round(found.exponent)
    (3, 2)
    """

    scale: float
    exponent: float

    @classmethod
    def fit(cls, errors: Any, sigmas: Any, species: Any = None) -> PowerOfSigma:
        e, s = checked(errors, sigmas, FEWEST)
        if not e.any():
            raise LabkitError("all errors are 0; calibrate on frames that the potential was not trained on")
        return cls(*power_law(e, s))

    def apply(self, sigmas: Tensor, kinds: Mapping[str, Tensor] | None = None) -> Tensor:
        return self.scale * sigmas.clamp(min=ZERO) ** self.exponent


def power_law(errors: np.ndarray, spreads: np.ndarray) -> tuple[float, float]:
    """a and b of s = a σ^b that make these errors most likely; for each b the best a is known.

    Pairs of zeros say nothing. Raises LabkitError for a σ that is 0 where the error is not.
    """
    zero, large = spreads <= ZERO, np.abs(errors) > ZERO
    if (zero & large).any():
        raise LabkitError(
            f"{(zero & large).sum()} of {len(spreads)} sigmas are 0 where the error is not, so that no power of them "
            "is large enough; an isotonic rescaling can raise them"
        )
    if large.any():
        errors, spreads = errors[~zero], spreads[~zero]
    log_spread = np.log(np.maximum(spreads, ZERO))
    squares = np.maximum(errors**2, 1e-24)

    def log_scale(b: float) -> float:
        return 0.5 * math.log(np.mean(squares * np.exp(-2 * b * log_spread)))

    def loss(b: float) -> float:
        return len(errors) * log_scale(b) + b * log_spread.sum() + 0.5 * ((b - 1) / WIDTH) ** 2

    b = float(minimize_scalar(loss, bounds=(0.5, 3.0), method="bounded").x)
    return math.exp(log_scale(b)), b
