"""Observers of a run: thermodynamics, trajectories, structure and motion, any function of the state."""

from labkit.engine.observers.dcd import Dcd
from labkit.engine.observers.extxyz import ExtXyz
from labkit.engine.observers.files import FileObserver
from labkit.engine.observers.function import Record
from labkit.engine.observers.hdf5 import Hdf5
from labkit.engine.observers.msd import Diffusion, MeanSquareDisplacement
from labkit.engine.observers.rdf import RadialDistribution
from labkit.engine.observers.thermodynamics import Thermodynamics
from labkit.engine.observers.trajectory import Trajectory
from labkit.engine.observers.vacf import VelocityAutocorrelation
from labkit.engine.observers.xtc import Xtc

__all__ = [
    "Dcd",
    "Diffusion",
    "ExtXyz",
    "FileObserver",
    "Hdf5",
    "MeanSquareDisplacement",
    "RadialDistribution",
    "Record",
    "Thermodynamics",
    "Trajectory",
    "VelocityAutocorrelation",
    "Xtc",
]
