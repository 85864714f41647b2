"""The Dynamics panel: a trajectory live, with energies and temperature."""

from labkit.panels.dynamics.view import DynamicsPanel

__all__ = ["DynamicsPanel"]
