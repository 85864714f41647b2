"""Gaussian approximation potentials: SOAP and pair terms, built once, fitted for any noise."""

from labkit.gap.committee import gap_committee
from labkit.gap.config import Distance2b, GapConfig, Soap
from labkit.gap.design import Design
from labkit.gap.metrics import errors
from labkit.gap.model import GapModel

__all__ = ["Design", "Distance2b", "GapConfig", "GapModel", "Soap", "errors", "gap_committee"]
