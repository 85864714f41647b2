"""Active learning: the uncertainty of a potential's predictions."""

from labkit.active.calibration import Calibrated, calibrate
from labkit.active.data_range import DataRange, LeastCertain, uncertainty_of
from labkit.active.uncertainties import (
    UNCERTAINTIES,
    CommitteeSpread,
    DropoutSpread,
    EvidentialSpread,
    GpVariance,
    LastLayer,
    MahalanobisDistance,
    MeanVarianceSpread,
    NearestEnvironments,
    ShallowSpread,
)
from labkit.active.uncertainty import Spread, Uncertainty, in_quadrature

__all__ = [
    "UNCERTAINTIES",
    "Calibrated",
    "CommitteeSpread",
    "DataRange",
    "DropoutSpread",
    "EvidentialSpread",
    "GpVariance",
    "LastLayer",
    "LeastCertain",
    "MahalanobisDistance",
    "MeanVarianceSpread",
    "NearestEnvironments",
    "ShallowSpread",
    "Spread",
    "Uncertainty",
    "calibrate",
    "in_quadrature",
    "uncertainty_of",
]
