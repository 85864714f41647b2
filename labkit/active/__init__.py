"""Active learning: the uncertainty of a potential's predictions."""

from labkit.active.calibration import Calibrated, calibrate
from labkit.active.data_range import DataRange, LeastCertain, uncertainty_of
from labkit.active.uncertainties import UNCERTAINTIES, CommitteeSpread, GpVariance
from labkit.active.uncertainty import Spread, Uncertainty, in_quadrature

__all__ = [
    "UNCERTAINTIES",
    "Calibrated",
    "CommitteeSpread",
    "DataRange",
    "GpVariance",
    "LeastCertain",
    "Spread",
    "Uncertainty",
    "calibrate",
    "in_quadrature",
    "uncertainty_of",
]
