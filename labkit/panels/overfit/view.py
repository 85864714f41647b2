"""The Overfitting panel: a fit for every place of a slider."""

from __future__ import annotations

import ipywidgets as widgets

from labkit.datasets import Dataset
from labkit.gap import GapConfig
from labkit.panels.kit.view import Panel
from labkit.panels.overfit.model import OverfitModel


class OverfitPanel(Panel):
    """Move a sigma and see, at once, both errors, the parity plot and the energy along a bond with its uncertainty.

    The other sliders compute descriptors anew, which takes seconds the first time; what was built before is read from
    config().cache. `scan` are frames of one stretched bond, such as `labkit.datasets.ice("stretch")`; where it is not
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

    title = "Overfitting by slider"
    groups = ("fit", "data", "descriptor")

    def __init__(
        self,
        train: Dataset,
        valid: Dataset | None = None,
        config: GapConfig | None = None,
        *,
        scan: Dataset | None = None,
    ) -> None:
        self.hint = (
            "A small sigma trusts every label; a large one lets smoothness win. The sigmas answer while they move; "
            "the sliders below them compute the descriptors anew."
        )
        super().__init__(OverfitModel(train, valid, config, scan))

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until all that was asked for is drawn; raises what failed."""
        self.model.settle(timeout)

    def _settings(self) -> widgets.Widget:
        """All sliders in sight, those that answer at once on top."""
        made = []
        for group in self.groups:
            made += [widgets.HTML(f"<div class='labkit-hint'><b>{group.capitalize()}</b></div>"), *self.controls(group)]
        return widgets.VBox(made)
