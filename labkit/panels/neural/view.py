"""The Neural panel, and the frame behind a point of a parity plot."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from labkit.panels.kit.view import Panel
from labkit.panels.neural.model import NeuralModel
from labkit.panels.train.view import ComparedFrameView


class NeuralPanel(Panel):
    """Train a neural potential and watch it learn: `NeuralPanel(train, valid)` as the last line of a cell.

    Loss, learning rate, parity and RMSE are updated during the training. Stop keeps the best weights so far; Continue
    does the remaining steps, or trains for another budget. "Cool down" lets the learning rate fall now, so that the
    training ends soon, but converged. `config` and `training` are the initial settings.

    >>> import labkit
    >>> from labkit.neural import NeuralConfig, Training
    >>> frames = labkit.datasets.ice("train", n=50)
    >>> panel = NeuralPanel(frames[:8], frames[8:12], NeuralConfig(channels=8, cutoff=3.0), Training(steps=4))
    >>> job = panel.run()
    >>> panel.job.wait(60).steps
    4
    """

    model_type = NeuralModel

    def _parts(self) -> list[widgets.Widget]:
        parts = super()._parts()
        self.model.observe(self._show_cooling, ["status", "cooling"])
        self._show_cooling()
        return parts

    def _settings(self) -> widgets.Widget:
        self.cool_button = widgets.Button(
            description="Cool down now", icon="snowflake-o", layout=widgets.Layout(width="150px"),
            tooltip="Let the learning rate fall to zero from here: the training ends soon, converged for what it had",
        )  # fmt: skip
        self.cool_button.on_click(lambda _: self._press(self.model.cool_down))
        settings = super()._settings()
        settings.children = (self.cool_button, *settings.children)
        return settings

    def _below(self) -> list[widgets.Widget]:
        return [ComparedFrameView(self.model)]

    def _show_cooling(self, _: Any = None) -> None:
        self.cool_button.disabled = self.model.status != "running" or self.model.cooling
