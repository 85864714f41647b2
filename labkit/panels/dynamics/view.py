"""The Dynamics panel: atoms that move, with their energies and their temperature."""

from __future__ import annotations

import time
from collections.abc import Mapping

import ipywidgets as widgets
import pandas as pd
from ase import Atoms

from labkit.base import Potential
from labkit.jobs import Job
from labkit.panels.dynamics.model import DynamicsModel
from labkit.panels.kit.view import Panel, fold
from labkit.panels.structure.view import StructurePanel

SHOWN = 0.4  # s between two frames on the screen


class DynamicsPanel(Panel):
    """Molecular dynamics of one structure: `DynamicsPanel(model, atoms)`, or of several potentials by name.

    Ensemble, temperature and timestep may be turned while it runs. Continue goes on where the last run ended, Run
    begins anew. `panel.log` is a table, `panel.trajectory` a list of ase.Atoms.

    >>> import labkit
    >>> from labkit.gap import Design, GapConfig, Soap
    >>> train = labkit.datasets.ice("train", n=50)[:6]
    >>> model = Design.build(train, GapConfig(Soap(n_max=3, l_max=2, n_sparse=20))).solve()
    >>> panel = DynamicsPanel(model, train.atoms[0])
    >>> panel.model.steps = 20
    >>> job = panel.run()
    >>> panel.job.wait(30).state.loop_step
    20
    """

    title = "Molecular dynamics"
    hint = "Turn temperature or timestep while it runs. Continue goes on where it ended, Run begins anew."
    groups = ("basic", "advanced")

    def __init__(self, potentials: Potential | Mapping[str, Potential], atoms: Atoms) -> None:
        model = DynamicsModel(potentials, atoms)
        self.structure = StructurePanel(model.atoms, growing=True, height="260px")
        self.continue_button = widgets.Button(
            description="Continue", icon="step-forward", tooltip="Go on where the last run ended", disabled=True
        )
        self.continue_button.layout.width = "100px"
        self.continue_button.on_click(lambda _: self._press(model.go_on))
        self._shown = 0.0
        super().__init__(model)
        model.observe(self._show_atoms, "results")
        model.observe(lambda _: self.code.refresh(), "status")
        model.observe(self._show_end, "status")

    @property
    def log(self) -> pd.DataFrame:
        return self.model.log

    @property
    def trajectory(self) -> list[Atoms]:
        return self.model.trajectory

    def go_on(self) -> Job:
        return self.model.go_on()

    def _buttons(self) -> list[widgets.Widget]:
        return [self.run_button, self.stop_button, self.continue_button]

    def _settings(self) -> widgets.Widget:
        basic = self.controls("basic")
        shown = basic if len(self.model.potentials) > 1 else basic[1:]  # no choice of one
        return widgets.VBox([*shown, fold("Advanced", self.controls("advanced")), self.structure])

    def _show_state(self, _: object = None) -> None:
        super()._show_state()
        self.continue_button.disabled = self.run_button.disabled or self.model.results is None

    def _show_atoms(self, change: dict) -> None:
        """The present atoms, at a modest rate; a run that begins anew empties what can be scrolled through."""
        motion, before = change["new"], change["old"]
        view = self.structure.model
        if before is None or motion.rows is not before.rows:
            view.begin(self.model.atoms)
        elif time.monotonic() - self._shown < SHOWN:
            return
        self._show_last()

    def _show_end(self, change: dict) -> None:
        """The last atoms of a run, however short after those before."""
        if change["new"] in ("done", "stopped", "failed") and self.model.results is not None:
            self._show_last()

    def _show_last(self) -> None:
        state = self.model.results.state
        self._shown = time.monotonic()
        self.structure.model.append(state.to_atoms()[0])
