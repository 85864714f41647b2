"""Labelled frames: read, check, ship, audit."""

from labkit.datasets.dataset import Dataset
from labkit.datasets.ethanol import ethanol
from labkit.datasets.ice import ice
from labkit.datasets.labels import DatasetWarning, GuessedKeys
from labkit.datasets.reading import load

__all__ = ["Dataset", "DatasetWarning", "GuessedKeys", "ethanol", "ice", "load"]
