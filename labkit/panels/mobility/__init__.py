"""The Mobility panel: the mobility of two colloids in a fluid, estimated and learned."""

from labkit.panels.mobility.view import MobilityPanel

__all__ = ["MobilityPanel"]
