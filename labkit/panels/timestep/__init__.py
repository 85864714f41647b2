"""The Timestep panel: the error of the energy against the timestep."""

from labkit.panels.timestep.view import TimestepPanel

__all__ = ["TimestepPanel"]
