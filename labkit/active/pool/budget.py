"""Budget: what a run may spend on labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from labkit.errors import LabkitError


@dataclass(frozen=True)
class Budget:
    """Calls of the oracle, or core-seconds, or both; None for no limit.

    Every label that a run uses counts as bought, also one that was in the store already or was given, and so does
    every call that failed. So a run has the same result whatever the store held before. Validation and calibration
    labels count too.

    Raises LabkitError if neither is a positive number.

    >>> budget = Budget(calls=100)
    >>> budget.calls_left(97, 0.0), budget.spent(100, 0.0)
    (3, 'the budget of 100 calls is spent')
    """

    calls: int | None = None
    core_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.calls is None and self.core_seconds is None:
            raise LabkitError("Budget: neither calls nor core_seconds is given; set one, so that the run ends")
        for name in ("calls", "core_seconds"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise LabkitError(f"Budget: {name} is {value}; expected a positive number")

    def calls_left(self, calls: int, core_seconds: float) -> int | None:
        """Calls that may still be made, after so many that took so long; None for any number."""
        if self.core_seconds is not None and core_seconds >= self.core_seconds:
            return 0
        return None if self.calls is None else max(0, self.calls - calls)

    def spent(self, calls: int, core_seconds: float) -> str:
        """Why no call may be made any more, or "" if one may."""
        if self.calls is not None and calls >= self.calls:
            return f"the budget of {self.calls} calls is spent"
        if self.core_seconds is not None and core_seconds >= self.core_seconds:
            return f"the budget of {self.core_seconds:g} core-seconds is spent"
        return ""
