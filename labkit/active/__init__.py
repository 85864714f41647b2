"""Active learning: the uncertainty of a potential's predictions."""

from labkit.active.calibration import Calibrated, calibrate
from labkit.active.committee import CommitteeSpread
from labkit.active.data_range import DataRange, LeastCertain, uncertainty_of
from labkit.active.gp_variance import GpVariance
from labkit.active.uncertainty import Spread, Uncertainty, in_quadrature

#: every kind of uncertainty by its name; a new one is a file and a line here
UNCERTAINTIES = {
    "committee": CommitteeSpread,
    "GP variance": GpVariance,
}

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
