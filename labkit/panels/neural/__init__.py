"""The Neural panel: a network during its training."""

from labkit.panels.neural.view import NeuralPanel

__all__ = ["NeuralPanel"]
