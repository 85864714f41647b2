"""The LearningCurve panel: how the error falls with data, after a guess."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
import traitlets

from labkit.gap import GapModel
from labkit.neural import NeuralConfig
from labkit.panels.kit import html
from labkit.panels.kit.unfolding import Fold
from labkit.panels.kit.view import Panel
from labkit.panels.learning.chosen import ChosenFitView
from labkit.panels.learning.model import LearningModel
from labkit.panels.learning.neural import NeuralLearningModel


class LearningCurvePanel(Panel):
    """Fits to more and more frames, drawn as they finish: `LearningCurvePanel(train, valid)` ends a cell.

    First set what you expect at the largest size; the panel draws it next to the result. Stop keeps the finished fits,
    Run resumes from them, also in another kernel. Fits run on the workers of a dask `client` if one is given. With a
    NeuralConfig the curve is that of a neural potential, and `training=` has the settings of each training.

    >>> import labkit
    >>> from labkit.gap import GapConfig, Soap
    >>> train, valid = labkit.datasets.ice("train", n=50)[:16], labkit.datasets.ice("valid")[:4]
    >>> config = GapConfig(Soap(n_max=3, l_max=2, n_sparse=20), sigma_virial=None)
    >>> panel = LearningCurvePanel(train, valid, config, sizes=[4, 8, 16])
    >>> job = panel.run()
    >>> len(panel.job.wait(30).summary())
    12
    """

    model_type = LearningModel

    def __init__(self, *args: Any, **options: Any) -> None:
        if isinstance(options.get("config", args[2] if len(args) > 2 else None), NeuralConfig):
            self.model_type = NeuralLearningModel
        super().__init__(*args, **options)

    @property
    def chosen(self) -> GapModel | None:
        """The model of the dot that was clicked."""
        fit = self.model.chosen.fit
        return None if fit is None else fit.model

    def _below(self) -> list[widgets.Widget]:
        return [ChosenFitView(self.model.chosen)]

    def _settings(self) -> widgets.Widget:
        guess = self.controls("guess")
        head = widgets.HTML()
        for box in guess:
            traitlets.dlink((self.model, "locked"), (box.children[1], "disabled"))

        def say(_: object = None) -> None:
            words = "Your guess is locked until you change sizes or settings." if self.model.locked else "0: no guess."
            head.value = html.hint(f"Your guess, at {self.model.at} frames (validation). {words}")

        self.model.observe(say, ["locked", "sizes"])
        say()
        return widgets.VBox([head, *guess, *self.controls("curve"), Fold("Settings", self.controls("settings"))])
