"""The Mobility panel: what a fluid does between two colloids, estimated while data arrive, and learned."""

from __future__ import annotations

import ipywidgets as widgets

from labkit.jobs import Job
from labkit.mobility import Active, Mobility, Passive
from labkit.panels.kit.view import Panel
from labkit.panels.mobility.model import MobilityModel


class MobilityPanel(Panel):
    """Pairs in tweezers that release them again and again: `MobilityPanel(fluid, radius)` ends a cell.

    Estimates follow the lag at once, also after the run. Continue lets more pairs go, Run begins anew. `panel.data` is
    what was seen at the lag chosen, for estimators and `train`; `panel.learned` the PairModel of the last run.

    >>> from labkit.mobility import RotnePragerYamakawa
    >>> panel = MobilityPanel(RotnePragerYamakawa(10.0, 5.3), radius=10.0)
    >>> panel.model.releases, panel.model.learn = 1000, False
    >>> job = panel.run()
    >>> panel.job.wait(60).sightings.pairs
    1000
    """

    title = "Two colloids in a fluid"
    hint = (
        "Tweezers let pairs go, a camera sees how far they have come after the lag, and the tweezers catch them again. "
        "Choose the lag before, while or after it runs."
    )
    groups = ("basic", "advanced")

    def __init__(self, fluid: Mobility, radius: float, temperature: float = 300.0) -> None:
        model = MobilityModel(fluid, radius, temperature)
        self.continue_button = widgets.Button(
            description="Continue", icon="step-forward", tooltip="Let more pairs go", disabled=True
        )
        self.continue_button.layout.width = "100px"
        self.continue_button.on_click(lambda _: self._press(model.go_on))
        super().__init__(model)
        model.observe(lambda _: self.code.refresh(), "status")

    @property
    def data(self) -> Active | Passive:
        return self.model.data

    @property
    def learned(self) -> Mobility | None:
        return None if self.model.results is None else self.model.results.learned

    def go_on(self) -> Job:
        return self.model.go_on()

    def _buttons(self) -> list[widgets.Widget]:
        return [self.run_button, self.stop_button, self.continue_button]

    def _show_state(self, _: object = None) -> None:
        super()._show_state()
        self.continue_button.disabled = self.run_button.disabled or self.model.results is None
