"""The TensorSearch panel: errors over the settings of a tensor model."""

from labkit.panels.tensor_search.view import TensorSearchPanel

__all__ = ["TensorSearchPanel"]
