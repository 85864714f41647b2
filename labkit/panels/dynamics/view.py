"""The Dynamics panel: a trajectory live, with energies and temperature."""

from __future__ import annotations

import time
from typing import Any

import ipywidgets as widgets
import pandas as pd
from ase import Atoms

from labkit.panels.dynamics.model import DynamicsModel
from labkit.panels.kit.unfolding import Fold
from labkit.panels.kit.view import Panel
from labkit.panels.structure.view import StructurePanel

SHOWN = 0.4  # s between two frames on the screen


class DynamicsPanel(Panel):
    """Molecular dynamics of one structure: `DynamicsPanel(model, atoms)`, or of several potentials by name.

    Ensemble, temperature and timestep may be changed while it runs. Continue starts where the last run ended, Run
    starts again. `panel.log` is a table, `panel.trajectory` a list of ase.Atoms.

    known  frames that the potential was trained on: where its spread exceeds theirs, the run is outside its data. A
           GAP with one SOAP term needs none

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

    model_type = DynamicsModel

    def __init__(self, *args: Any, **options: Any) -> None:
        self._drawn_at = 0.0
        super().__init__(*args, **options)
        self.model.observe(self._show_atoms, "results")
        self.model.observe(self._show_end, "status")

    @property
    def log(self) -> pd.DataFrame:
        return self.model.log

    @property
    def trajectory(self) -> list[Atoms]:
        return self.model.trajectory

    def still_parts(self) -> list[str]:
        return [*super().still_parts(), *self.structure.still_parts()]

    def _settings(self) -> widgets.Widget:
        self.structure = StructurePanel(self.model.atoms, growing=True, height="260px")
        basic = self.controls("basic")
        shown = basic if len(self.model.potentials) > 1 else basic[1:]  # nothing to choose
        return widgets.VBox([*shown, Fold("Advanced", self.controls("advanced")), self.structure])

    def _show_atoms(self, change: dict) -> None:
        """The current atoms, at most every SHOWN seconds; a new run removes the frames of the one before."""
        run, before = change["new"], change["old"]
        view = self.structure.model
        if before is None or run.rows is not before.rows:
            view.begin(self.model.atoms)
        elif time.monotonic() - self._drawn_at < SHOWN:
            return
        self._show_last()

    def _show_end(self, change: dict) -> None:
        """The last atoms of a run."""
        if change["new"] in ("done", "stopped", "failed") and self.model.results is not None:
            self._show_last()

    def _show_last(self) -> None:
        state = self.model.results.state
        self._drawn_at = time.monotonic()
        self.structure.model.append(state.to_atoms()[0])
