"""The Structure panel: atoms in three dimensions, their forces and trajectories."""

from labkit.panels.structure.view import StructurePanel

__all__ = ["StructurePanel"]
