"""Hydrodynamic mobility: tensors, Brownian dynamics, learned models, estimators."""

from labkit.mobility.brownian import Brownian
from labkit.mobility.divergence import divergence
from labkit.mobility.mobility import Mobility
from labkit.mobility.open_fluid import Oseen, RotnePragerYamakawa
from labkit.mobility.pair import PairMobility
from labkit.mobility.periodic import PeriodicRotnePragerYamakawa
from labkit.mobility.positive import check_positive
from labkit.mobility.wall import WallRotnePragerYamakawa

__all__ = [
    "Brownian",
    "Mobility",
    "Oseen",
    "PairMobility",
    "PeriodicRotnePragerYamakawa",
    "RotnePragerYamakawa",
    "WallRotnePragerYamakawa",
    "check_positive",
    "divergence",
]
