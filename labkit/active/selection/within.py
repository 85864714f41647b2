"""Within: a rule between two bounds of the uncertainty; exploded frames are never labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.active.selection.choice import Choice
from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import Selection, check_count, shortage
from labkit.errors import LabkitError


@dataclass(frozen=True)
class Within:
    """Another rule, for frames with low ≤ spread ≤ high only.

    low   in the unit of the pool's spread; below it the model knows the frame. None: no bound
    high  above it the frame has exploded: its atoms overlap or have flown apart, and its label would teach nothing. A
          spread that is not finite counts as exploded, also without a bound

    If no frame is within the bounds none is chosen, and the note of the choice says so. Raises LabkitError for bounds
    that are not numbers or that exclude each other.

    >>> from labkit.active.selection.maximum_variance import MaximumVariance
    >>> pool = Pool(n_atoms=[3] * 4, spread=[0.01, 0.3, 9.0, np.nan], unit="eV/Å")
    >>> choice = Within(MaximumVariance(), low=0.05, high=2.0).choose(pool, 2)
    >>> choice.indices.tolist(), choice.reasons[2]
    ([1], 'refused: spread 9 eV/Å is above the upper bound 2 eV/Å, it has exploded')
    """

    rule: Selection
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        low, high = self.low, self.high
        if (low is not None and np.isnan(low)) or (high is not None and np.isnan(high)):
            raise LabkitError(f"Within: the bounds are {low} and {high}; expected numbers, or None for no bound")
        if low is not None and high is not None and low > high:
            raise LabkitError(f"Within: the lower bound {low} is above the upper bound {high}; swap them")

    @property
    def needs(self) -> frozenset[str]:
        return self.rule.needs | {"spread"}

    def choose(self, pool: Pool, n: int, *, seed: int = 0) -> Choice:
        """As the rule, of the frames within the bounds."""
        check_count(n, type(self).__name__)
        pool.require(self.needs, f"Within({type(self.rule).__name__})")
        others = {k: why for k, x in enumerate(pool.spread.tolist()) if (why := self._refusal(x, pool.unit))}
        rows = np.array([k for k in range(len(pool)) if k not in others], dtype=np.int64)
        inner = self.rule.choose(pool.take(rows), n, seed=seed) if len(rows) else Choice(np.empty(0, int), ())
        note = inner.note if 0 < len(rows) == len(pool) else shortage(len(inner), n, len(pool))
        return inner.of_larger_pool(rows, others, note)

    def _refusal(self, spread: float, unit: str) -> str:
        if not np.isfinite(spread):
            return f"refused: spread is {spread}, it has exploded"
        unit = f" {unit}" if unit else ""
        if self.high is not None and spread > self.high:
            return f"refused: spread {spread:.4g}{unit} is above the upper bound {self.high:.4g}{unit}, it has exploded"
        if self.low is not None and spread < self.low:
            return f"refused: spread {spread:.4g}{unit} is below the lower bound {self.low:.4g}{unit}"
        return ""
