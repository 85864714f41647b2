"""Calibration: how well spreads rank and size errors, how to bring them to size, and what that certifies.

Single measures of errors and sigmas are in `labkit.active.calibration.measures`.
"""

from labkit.active.calibration.bounds import clopper_pearson, frames_needed, upper_bound
from labkit.active.calibration.certificate import Certificate, certify
from labkit.active.calibration.conformal import conformal
from labkit.active.calibration.correlation import blocks, effective_number
from labkit.active.calibration.energies import Calibrated, calibrate
from labkit.active.calibration.report import report, report_of
from labkit.active.calibration.rescaled import RESCALINGS, Rescaled, rescale
from labkit.active.calibration.samples import Samples
from labkit.active.calibration.threshold import Threshold, threshold, threshold_of

__all__ = [
    "RESCALINGS",
    "Calibrated",
    "Certificate",
    "Rescaled",
    "Samples",
    "Threshold",
    "blocks",
    "calibrate",
    "certify",
    "clopper_pearson",
    "conformal",
    "effective_number",
    "frames_needed",
    "report",
    "report_of",
    "rescale",
    "threshold",
    "threshold_of",
    "upper_bound",
]
