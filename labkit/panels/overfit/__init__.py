"""The Overfitting panel: a fit for every position of a slider."""

from labkit.panels.overfit.view import OverfitPanel

__all__ = ["OverfitPanel"]
