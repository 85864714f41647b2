"""The Neural panel: a network while it is trained."""

from labkit.panels.neural.view import NeuralPanel

__all__ = ["NeuralPanel"]
