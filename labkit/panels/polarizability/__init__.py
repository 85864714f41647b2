"""The Polarizability panel: a tensor learned with its symmetry."""

from labkit.panels.polarizability.view import PolarizabilityPanel

__all__ = ["PolarizabilityPanel"]
