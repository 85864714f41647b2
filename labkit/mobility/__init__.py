"""Hydrodynamic mobility: tensors, Brownian dynamics, learned models, estimators."""

from labkit.mobility.brownian import Brownian
from labkit.mobility.data import Active, Passive
from labkit.mobility.divergence import divergence
from labkit.mobility.errors import pair_learned
from labkit.mobility.estimate import (
    Estimate,
    LagScan,
    active,
    by_distance,
    pair_active,
    pair_passive,
    passive,
    scan_lags,
)
from labkit.mobility.learned import PairModel, WholeModel
from labkit.mobility.likelihood import maximum_likelihood
from labkit.mobility.mobility import Mobility
from labkit.mobility.model_file import load_mobility, save_mobility
from labkit.mobility.open_fluid import Oseen, RotnePragerYamakawa
from labkit.mobility.pair import PairMobility
from labkit.mobility.periodic import PeriodicRotnePragerYamakawa
from labkit.mobility.positive import check_positive
from labkit.mobility.training import train
from labkit.mobility.trajectories import TrajectoryWarning, continuous
from labkit.mobility.wall import WallRotnePragerYamakawa

__all__ = [
    "Active",
    "Brownian",
    "Estimate",
    "LagScan",
    "Mobility",
    "Oseen",
    "PairMobility",
    "PairModel",
    "Passive",
    "PeriodicRotnePragerYamakawa",
    "RotnePragerYamakawa",
    "TrajectoryWarning",
    "WallRotnePragerYamakawa",
    "WholeModel",
    "active",
    "by_distance",
    "check_positive",
    "continuous",
    "divergence",
    "load_mobility",
    "maximum_likelihood",
    "pair_active",
    "pair_learned",
    "pair_passive",
    "passive",
    "save_mobility",
    "scan_lags",
    "train",
]
