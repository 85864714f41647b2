"""The Spectra panel: infrared, Raman and density of states from trajectories."""

from labkit.panels.spectra.view import SpectraPanel

__all__ = ["SpectraPanel"]
