"""Measures of sigmas beside errors, on plain arrays: rank, size, likelihood, and their error bars."""

from labkit.active.calibration.measures.bootstrap import bootstrap
from labkit.active.calibration.measures.likelihood import nll
from labkit.active.calibration.measures.perfect import perfect
from labkit.active.calibration.measures.quantiles import miscalibration_area, quantile_reliability
from labkit.active.calibration.measures.rank import perfect_spearman, spearman
from labkit.active.calibration.measures.reliability import calibration_error, ence, reliability
from labkit.active.calibration.measures.roc import auc, roc

__all__ = [
    "auc",
    "bootstrap",
    "calibration_error",
    "ence",
    "miscalibration_area",
    "nll",
    "perfect",
    "perfect_spearman",
    "quantile_reliability",
    "reliability",
    "roc",
    "spearman",
]
