"""The Dynamics panel: atoms that move, with their energies and their temperature."""

from labkit.panels.dynamics.view import DynamicsPanel

__all__ = ["DynamicsPanel"]
