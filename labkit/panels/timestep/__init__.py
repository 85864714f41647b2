"""The Timestep panel: the error of the energy against the timestep, and where a run breaks."""

from __future__ import annotations

import numpy as np

from labkit.base import Potential, State
from labkit.engine.timesteps import EnergyErrors, energy_errors
from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.kit import html
from labkit.panels.kit.controls import parameter
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.potentials import start_files, start_script
from labkit.panels.kit.view import Panel
from labkit.panels.timestep.figure import timestep_figure

__all__ = ["TimestepPanel"]
SCRIPT = """from labkit.engine import Langevin, maxwell_boltzmann, simulate
from labkit.engine.timesteps import energy_errors
from labkit.forcefield.examples import peptide

state, forcefield = peptide().state, peptide().forcefield  # or your own
state = simulate(maxwell_boltzmann(state, 300.0), forcefield, Langevin(300.0, 0.01), steps=2000, dt=0.5)
found = energy_errors(state, forcefield, {timesteps}, time={time!r})
print(found.table, found.law(), found.lost)
"""


class TimestepModel(PanelModel):
    """The timesteps and the length of each run, and their EnergyErrors as `results`."""

    title = "Energy against timestep"
    hint = "Every point is a run at constant energy from the same state. Increase the timestep until a run breaks."

    smallest = parameter(0.1, "basic", "from", "fs", range=(0.05, 3.0, 0.05))
    largest = parameter(4.0, "basic", "to", "fs", range=(1.0, 8.0, 0.25))
    count = parameter(11, "basic", "timesteps", range=(2, 21, 1), help="with equal ratios")
    time = parameter(250.0, "basic", "time", "fs", range=(50.0, 2000.0, 50.0), help="of each run")

    def __init__(self, state: State, potential: Potential) -> None:
        super().__init__()
        self.state, self.potential = state, potential

    def timesteps(self) -> list[float]:
        """From the smallest to the largest, in fs; raises LabkitError if the parameters define no series."""
        if not (0 < self.smallest < self.largest and self.count >= 2):
            found = f"{self.count} timesteps from {self.smallest:g} to {self.largest:g} fs"
            raise LabkitError(f"{found}; expected two or more, from a positive number to a larger one")
        return np.geomspace(self.smallest, self.largest, self.count).round(3).tolist()

    def make_job(self) -> Job:
        return Job(energy_errors, self.state, self.potential, self.timesteps(), self.time, name="timesteps")

    def present(self, result: EnergyErrors) -> None:
        if not result.errors:
            return
        self.show(timestep_figure(result, self.ran.timesteps()))
        cells = {f"{dt:g}": "blown up" if np.isnan(x) else f"{x:.3g}" for dt, x in sorted(result.errors.items())}
        self.table = html.table(["timestep [fs]", *cells], [["meV/atom", *cells.values()]])
        steep = len(result.table.dropna().loc[:1.0]) >= 2  # enough for a slope
        law = f"Up to 1 fs the error goes as dt to the power of {result.law()[1]:.2f}. " if steep else ""
        self.note = law + (f"With {result.lost[0]:g} fs it blows up." if result.lost else "")

    def script(self) -> str:
        if self.results is None:
            return SCRIPT.format(timesteps=self.timesteps(), time=self.time)
        script = start_script(self.potential, "labkit.engine.timesteps", "energy_errors")
        tried = list(self.results.errors)  # fewer after Stop
        script.add(f"found = energy_errors(state, potential, {tried}, time={self.time!r})", "print(found.table)")
        return script.text()

    def outputs(self, result: EnergyErrors) -> dict[str, bytes]:
        csv = result.table.rename(columns={"error": "error_meV_per_atom"}).rename_axis("dt_fs").to_csv()
        return {"timesteps.csv": csv.encode(), "timesteps.png": self.picture} | start_files(self.state, self.potential)


class TimestepPanel(Panel):
    """Runs of one state at constant energy with increasing timesteps: `TimestepPanel(state, potential)` ends a cell.

    Each run is drawn when it has ended; Stop keeps the finished ones.

    >>> from labkit.engine import maxwell_boltzmann
    >>> from labkit.forcefield.examples import chain
    >>> state, forcefield = chain()
    >>> panel = TimestepPanel(maxwell_boltzmann(state, 300.0), forcefield)
    >>> panel.model.smallest, panel.model.count = 1.0, 3
    >>> job = panel.run()
    >>> list(panel.job.wait(60).errors)
    [1.0, 2.0, 4.0]
    """

    model_type = TimestepModel
