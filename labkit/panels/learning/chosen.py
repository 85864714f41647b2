"""The model behind a dot of a learning curve, with its parity plot."""

from __future__ import annotations

import ipywidgets as widgets
import traitlets

from labkit.base import Progress
from labkit.datasets import Dataset
from labkit.gap import GapConfig
from labkit.gap.cache import build_cached
from labkit.gap.incremental_fit import IncrementalFit
from labkit.gap.learning import fit_at
from labkit.panels.kit import html
from labkit.panels.kit.figure_widget import FigureWidget
from labkit.panels.train.compared import ComparesFrames
from labkit.panels.train.figure import parity_figure
from labkit.panels.train.view import ComparedFrameView


class ChosenFit(ComparesFrames):
    """The first fit of a size, as `fit`; its parity plot is the picture, and a click on a point shows the frame."""

    fit = traitlets.Instance(IncrementalFit, allow_none=True)

    def clear(self) -> None:
        self.fit, self.compared, self.picture = None, None, b""

    def solve(self, train: Dataset, valid: Dataset | None, config: GapConfig, size: int, progress: Progress) -> None:
        """Fit again: descriptors are read from the cache, where the learning curve has left them."""
        fit = fit_at(build_cached(train, config, valid, progress=progress), size)
        self.show(parity_figure(fit, size))
        self.compare({"train": train[:size], "valid": valid}, fit.predictions)
        self.fit = fit


class ChosenFitView(widgets.VBox):
    """The fit that was chosen; empty before the first click."""

    def __init__(self, chosen: ChosenFit) -> None:
        self.words = widgets.HTML()
        self.image = FigureWidget.of(chosen, "parity plot of the chosen model")
        self.compared = ComparedFrameView(chosen)
        super().__init__([])
        self.add_class("labkit-chosen")
        chosen.observe(self._show, "fit")

    def _show(self, change: dict) -> None:
        fit = change["new"]
        if fit is not None:
            words = f"The fit of {fit.n_frames} frames, the first of this size: panel.chosen, and under Download."
            self.words.value = html.hint(words)
        self.children = () if fit is None else (self.words, self.image, self.compared)
