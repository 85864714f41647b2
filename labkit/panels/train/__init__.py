"""The Train panel: a GAP and its errors while it is fitted."""

from labkit.panels.train.view import TrainPanel

__all__ = ["TrainPanel"]
