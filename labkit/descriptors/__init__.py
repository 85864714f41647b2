"""Descriptors of atomic environments, all from one density expansion."""

from labkit.descriptors.angular import clebsch_gordan
from labkit.descriptors.expansion import DensityExpansion
from labkit.descriptors.lambda_soap import LambdaSoap
from labkit.descriptors.radial import RadialBasis, smooth_cutoff
from labkit.descriptors.selection import select_features
from labkit.descriptors.soap import SoapPowerSpectrum

__all__ = [
    "DensityExpansion",
    "LambdaSoap",
    "RadialBasis",
    "SoapPowerSpectrum",
    "clebsch_gordan",
    "select_features",
    "smooth_cutoff",
]
