"""Calibration: how well spreads rank and size errors, how to bring them to size, and what that certifies."""

from labkit.active.calibration.energies import Calibrated, calibrate

__all__ = ["Calibrated", "calibrate"]
