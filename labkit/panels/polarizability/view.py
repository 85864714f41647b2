"""The Polarizability panel: a tensor learned with its symmetry, λ by λ."""

from __future__ import annotations

import ipywidgets as widgets
import traitlets

from labkit.panels.kit import html
from labkit.panels.kit.view import Panel
from labkit.panels.polarizability.model import PolarizabilityModel
from labkit.panels.polarizability.tensor_frame import TensorFrameView


class PolarizabilityPanel(Panel):
    """Move a regularization and see parity by component, learning curves and both errors at once.

    `settings` are those of TensorDesign.build. The sliders of the environment move between designs that are ready; the
    neighbours of the current one are computed in the background.

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

    model_type = PolarizabilityModel

    def _settings(self) -> widgets.Widget:
        *shown, folded = super()._settings().children
        ready = widgets.HTML()
        traitlets.dlink((self.model, "ready"), (ready, "value"), html.hint)
        return widgets.VBox([*shown, ready, folded])

    def _below(self) -> list[widgets.Widget]:
        return [TensorFrameView(self.model)]
