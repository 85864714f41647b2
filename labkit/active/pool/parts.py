"""Parts: which frames of round 0 are held out, and which are trained on."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from labkit.active.pool.round import Round


@dataclass(frozen=True)
class Parts:
    """Numbers of frames drawn at random in round 0: the first for validation, the next for calibration, then others.

    >>> Parts(validation=2, calibration=3, start=10).total
    15
    """

    validation: int
    calibration: int
    start: int

    @property
    def total(self) -> int:
        return self.validation + self.calibration + self.start

    def held(self, part: str, rounds: Sequence[Round], labels: Container[int]) -> list[int]:
        """Frames of the "validation" or "calibration" part that have labels."""
        first = 0 if part == "validation" else self.validation
        return [k for k in rounds[0].plan.frames[first : first + getattr(self, part)] if k in labels]

    def trained(self, rounds: Sequence[Round], labels: Container[int]) -> list[int]:
        """All other frames that have labels, in the order of their rounds."""
        first = self.validation + self.calibration
        frames = [k for one in rounds for k in one.plan.frames[0 if one.plan.number else first :]]
        return [k for k in frames if k in labels]
