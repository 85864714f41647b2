"""Descriptors of atomic environments, all from one density expansion."""

from labkit.descriptors.expansion import DensityExpansion
from labkit.descriptors.radial import RadialBasis, smooth_cutoff
from labkit.descriptors.soap import SoapPowerSpectrum

__all__ = ["DensityExpansion", "RadialBasis", "SoapPowerSpectrum", "smooth_cutoff"]
