"""Errors of labelling."""

from __future__ import annotations

from labkit.errors import LabkitError


class MissingProgram(LabkitError):
    """A program or package that an oracle needs is not installed."""


class Unconverged(LabkitError):
    """The self-consistent field did not converge: there is no label."""


class CalculationFailed(LabkitError):
    """The oracle's program failed, or returned what cannot be a label."""


class TimedOut(CalculationFailed):
    """The calculation took longer than it was allowed to."""


class StoreError(LabkitError):
    """The store of labels cannot be read or written: no further label could be kept."""
