"""Kinds of uncertainty, one a file."""

from labkit.active.uncertainties.committee import CommitteeSpread
from labkit.active.uncertainties.dropout import DropoutSpread
from labkit.active.uncertainties.evidential import EvidentialSpread
from labkit.active.uncertainties.gp_variance import GpVariance
from labkit.active.uncertainties.last_layer import LastLayer
from labkit.active.uncertainties.mahalanobis import MahalanobisDistance
from labkit.active.uncertainties.mean_variance import MeanVarianceSpread
from labkit.active.uncertainties.nearest import NearestEnvironments
from labkit.active.uncertainties.shallow_ensemble import ShallowSpread

#: every kind of uncertainty by its name; a new one is a file and a line here
UNCERTAINTIES = {
    "committee": CommitteeSpread,
    "GP variance": GpVariance,
    "shallow ensemble": ShallowSpread,
    "dropout": DropoutSpread,
    "evidential": EvidentialSpread,
    "mean-variance": MeanVarianceSpread,
    "last layer": LastLayer,
    "nearest environments": NearestEnvironments,
    "Mahalanobis distance": MahalanobisDistance,
}

#: those that a potential brings with it; the others are made with the frames that it was trained on
OF_POTENTIAL = (CommitteeSpread, GpVariance, ShallowSpread, EvidentialSpread, MeanVarianceSpread, DropoutSpread)

__all__ = [
    "OF_POTENTIAL",
    "UNCERTAINTIES",
    "CommitteeSpread",
    "DropoutSpread",
    "EvidentialSpread",
    "GpVariance",
    "LastLayer",
    "MahalanobisDistance",
    "MeanVarianceSpread",
    "NearestEnvironments",
    "ShallowSpread",
]
