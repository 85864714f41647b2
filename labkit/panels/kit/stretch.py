"""The part of a run that one press of Run or Continue asks for."""

from __future__ import annotations

from typing import NamedTuple


class Stretch(NamedTuple):
    """A length as it was asked for, and the step at which it ends.

    >>> stretch = Stretch(asked=1000, end=1000)
    >>> stretch.left(1000, 420), stretch.left(1000, 1000), stretch.left(50, 420)
    (580, 0, 0)
    """

    asked: float
    end: int

    def left(self, asked: float, reached: int) -> int:
        """The steps that are missing after Stop; 0 if it was not stopped, or if another length is asked for now."""
        return max(self.end - reached, 0) if asked == self.asked else 0
