"""Calibration: how well spreads rank and size errors, how to bring them to size, and what that certifies."""

from labkit.active.calibration.bootstrap import bootstrap
from labkit.active.calibration.bounds import clopper_pearson, frames_needed, upper_bound
from labkit.active.calibration.energies import Calibrated, calibrate
from labkit.active.calibration.likelihood import nll
from labkit.active.calibration.perfect import perfect
from labkit.active.calibration.quantiles import miscalibration_area, quantile_reliability
from labkit.active.calibration.rank import perfect_spearman, spearman
from labkit.active.calibration.reliability import calibration_error, ence, reliability
from labkit.active.calibration.roc import auc, roc

__all__ = [
    "Calibrated",
    "auc",
    "bootstrap",
    "calibrate",
    "calibration_error",
    "clopper_pearson",
    "ence",
    "frames_needed",
    "miscalibration_area",
    "nll",
    "perfect",
    "perfect_spearman",
    "quantile_reliability",
    "reliability",
    "roc",
    "spearman",
    "upper_bound",
]
