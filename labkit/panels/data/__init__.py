"""The Data panel: what is wrong with a set of frames."""

from labkit.panels.data.view import DataPanel

__all__ = ["DataPanel"]
