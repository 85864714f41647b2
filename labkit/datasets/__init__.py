"""Labelled frames: read, check, ship, generate."""

from labkit.datasets.dataset import Dataset
from labkit.datasets.ice import ice
from labkit.datasets.labels import DatasetWarning
from labkit.datasets.reading import load

__all__ = ["Dataset", "DatasetWarning", "ice", "load"]
