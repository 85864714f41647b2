"""The Overfitting panel: a fit for every position of a slider, and the frame behind a point."""

from __future__ import annotations

import ipywidgets as widgets

from labkit.panels.kit.view import Panel
from labkit.panels.overfit.model import OverfitModel
from labkit.panels.train.view import ComparedFrameView


class OverfitPanel(Panel):
    """Move a sigma and see, at once, both errors, the parity plot and the energy along a bond with its uncertainty.

    The other sliders compute descriptors again, which takes seconds the first time; designs built before are read from
    config().cache. `scan` are frames of one stretched bond, such as `labkit.datasets.ice("stretch")`; if it is not
    given, the shortest bond of the lowest training frame is stretched.

    >>> import labkit
    >>> from labkit.gap import GapConfig, Soap
    >>> train, valid = labkit.datasets.ice("train", n=50)[:8], labkit.datasets.ice("valid")[:4]
    >>> panel = OverfitPanel(train, valid, GapConfig(Soap(n_max=3, l_max=2, n_sparse=20), sigma_virial=None))
    >>> job = panel.run()
    >>> panel.settle()
    >>> panel.model.sigma_force = 1.0
    >>> panel.settle()
    >>> panel.model.point.model.config.sigma_force
    1.0
    """

    model_type = OverfitModel

    def _below(self) -> list[widgets.Widget]:
        return [ComparedFrameView(self.model)]
