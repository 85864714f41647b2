"""The Timestep panel: how well the energy is kept, and where it no longer is."""

from __future__ import annotations

from labkit.base import Potential, State
from labkit.panels.kit.view import Panel
from labkit.panels.timestep.model import TimestepModel


class TimestepPanel(Panel):
    """Runs of one state at constant energy with a ladder of timesteps: `TimestepPanel(state, potential)` ends a cell.

    Each run is drawn when it has ended. Stop keeps those.

    >>> from labkit.engine import maxwell_boltzmann
    >>> from labkit.forcefield.examples import chain
    >>> state, forcefield = chain()
    >>> panel = TimestepPanel(maxwell_boltzmann(state, 300.0), forcefield)
    >>> panel.model.smallest, panel.model.count = 1.0, 3
    >>> job = panel.run()
    >>> list(panel.job.wait(60).errors)
    [1.0, 2.0, 4.0]
    """

    title = "Energy against timestep"

    def __init__(self, state: State, potential: Potential) -> None:
        self.hint = "Every point is a run at constant energy from the same state. Take the ladder up until it breaks."
        super().__init__(TimestepModel(state, potential))
