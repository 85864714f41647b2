"""What watches a run: thermodynamics, trajectories, structure and motion, any function of the state."""

from labkit.engine.observers.dcd import Dcd
from labkit.engine.observers.extxyz import ExtXyz
from labkit.engine.observers.files import FileObserver
from labkit.engine.observers.thermodynamics import Thermodynamics, pressure
from labkit.engine.observers.trajectory import Trajectory

__all__ = ["Dcd", "ExtXyz", "FileObserver", "Thermodynamics", "Trajectory", "pressure"]
