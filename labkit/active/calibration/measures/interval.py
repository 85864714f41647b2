"""A value with its interval of confidence."""

from __future__ import annotations

from typing import NamedTuple


class Interval(NamedTuple):
    """A value, and the ends of its interval of confidence."""

    value: float
    low: float
    high: float
