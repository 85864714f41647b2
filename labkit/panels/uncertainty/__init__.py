"""The Uncertainty panel: errors beside the σ that a potential gives for them."""

from labkit.panels.uncertainty.view import UncertaintyPanel

__all__ = ["UncertaintyPanel"]
