"""The Polarizability panel: a tensor learned with its symmetry, λ by λ."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
import traitlets

from labkit.panels.kit import html
from labkit.panels.kit.view import Panel, fold
from labkit.panels.polarizability.model import PolarizabilityModel
from labkit.polarizability.labels import Frames


class PolarizabilityPanel(Panel):
    """Move a regularization and see parity by component, learning curves and both errors at once.

    `settings` are those of TensorDesign.build. The sliders of the environment move between designs that are ready; the
    places next to the present one are computed in the background.

    >>> import labkit
    >>> from labkit.polarizability import with_label
    >>> train, valid = (with_label(labkit.datasets.ice(name), "polarizability") for name in ("train", "valid"))
    >>> panel = PolarizabilityPanel(train[:16], valid[:4], n_max=2, l_max=2, n_features=10)
    >>> job = panel.run()
    >>> panel.settle()
    >>> panel.model.noise_2 = 1e-2
    >>> panel.settle()
    >>> panel.model.fit.curve.index.tolist(), panel.model.fit.values.shape
    ([8, 16], (4, 3, 3))
    """

    title = "Polarizability"
    groups = ("regularization", "environment", "descriptor")

    def __init__(self, train: Frames, valid: Frames, **settings: Any) -> None:
        self.hint = (
            "The trace (λ = 0) and the anisotropy (λ = 2) are two models with a regularization each. "
            "Bars are the spread that the model claims; they come when a slider rests."
        )
        super().__init__(PolarizabilityModel(train, valid, **settings))

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until all that was asked for is drawn; raises what failed."""
        self.model.settle(timeout)

    def _settings(self) -> widgets.Widget:
        *shown, last = self.groups
        made: list[widgets.Widget] = []
        for group in shown:
            made += [widgets.HTML(f"<div class='labkit-hint'><b>{group.capitalize()}</b></div>"), *self.controls(group)]
        ready = widgets.HTML()
        traitlets.dlink((self.model, "ready"), (ready, "value"), html.hint)
        return widgets.VBox([*made, ready, fold(last.capitalize(), self.controls(last))])
