"""The LearningCurve panel: how the error falls as frames are added."""

from labkit.panels.learning.view import LearningCurvePanel

__all__ = ["LearningCurvePanel"]
