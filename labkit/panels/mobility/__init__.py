"""The Mobility panel: the hydrodynamic mobility of two colloids, estimated as data arrive, and learned."""

from __future__ import annotations

from labkit.mobility import Active, Mobility, Passive
from labkit.panels.kit.view import Panel
from labkit.panels.mobility.model import MobilityModel

__all__ = ["MobilityPanel"]


class MobilityPanel(Panel):
    """Pairs in tweezers that release them again and again: `MobilityPanel(fluid, radius)` ends a cell.

    Estimates follow the lag at once, also after the run. Continue releases more pairs, Run starts again. `panel.data`
    has the data at the lag chosen, for estimators and `train`; `panel.learned` is the PairModel of the last run.

    >>> from labkit.mobility import RotnePragerYamakawa
    >>> panel = MobilityPanel(RotnePragerYamakawa(10.0, 5.3), radius=10.0)
    >>> panel.model.releases, panel.model.learn = 1000, False
    >>> job = panel.run()
    >>> panel.job.wait(60).sightings.pairs
    1000
    """

    model_type = MobilityModel

    @property
    def data(self) -> Active | Passive:
        return self.model.data

    @property
    def learned(self) -> Mobility | None:
        return None if self.model.results is None else self.model.results.learned
