"""The Timestep panel without a screen: a ladder of timesteps, and how well each keeps the energy."""

from __future__ import annotations

import numpy as np
import traitlets

from labkit.base import Potential, State
from labkit.engine.timesteps import EnergyErrors, energy_errors
from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.kit import html
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.view import Model
from labkit.panels.timestep.figure import timestep_figure

Float, Int = traitlets.Float, traitlets.Int

SCRIPT = """from labkit.engine import Langevin, maxwell_boltzmann, simulate
from labkit.engine.timesteps import energy_errors
from labkit.forcefield.examples import peptide

state, forcefield = peptide().state, peptide().forcefield  # or your own
state = maxwell_boltzmann(state, 300.0)
state = simulate(state, forcefield, Langevin(300.0, friction=0.01), steps=2000, dt=0.5)
found = energy_errors(state, forcefield, {timesteps}, time={time:g})
print(found.table, found.law(), found.lost)
"""


class TimestepModel(Model):
    """Which timesteps are tried for how long, and the EnergyErrors they lead to as `results`."""

    smallest = p(Float(0.1), "basic", "from", "fs", range=(0.05, 3.0, 0.05))
    largest = p(Float(4.0), "basic", "to", "fs", range=(1.0, 8.0, 0.25))
    count = p(Int(11), "basic", "timesteps", range=(2, 21, 1), help="with equal ratios")
    time = p(Float(250.0), "basic", "time", "fs", range=(50.0, 2000.0, 50.0), help="of each run")

    def __init__(self, state: State, potential: Potential) -> None:
        super().__init__()
        self.state, self.potential = state, potential

    def timesteps(self) -> list[float]:
        """From the smallest to the largest, in fs; raises LabkitError for what makes no ladder."""
        if not (0 < self.smallest < self.largest and self.count >= 2):
            found = f"{self.count} timesteps from {self.smallest:g} to {self.largest:g} fs"
            raise LabkitError(f"{found}; expected two or more, from a positive number to a larger one")
        return np.geomspace(self.smallest, self.largest, self.count).round(3).tolist()

    def make_job(self) -> Job:
        self._tried = self.timesteps()
        return Job(energy_errors, self.state, self.potential, self._tried, self.time, name="timesteps")

    def present(self, result: EnergyErrors) -> None:
        if not result.errors:
            return
        self.show(timestep_figure(result, self._tried))
        rows = [[f"{dt:g}", "blown up" if np.isnan(x) else f"{x:.3g}"] for dt, x in sorted(result.errors.items())]
        self.table = html.table(("timestep [fs]", *(row[0] for row in rows)), [("meV/atom", *(row[1] for row in rows))])
        self.note = _words(result)

    def code(self) -> str:
        return SCRIPT.format(timesteps=self.timesteps(), time=self.time)

    def files(self) -> dict[str, bytes]:
        if self.results is None:
            return {}
        csv = self.results.table.rename(columns={"error": "error_meV_per_atom"}).rename_axis("dt_fs").to_csv()
        return {"timesteps.csv": csv.encode(), "timesteps.png": self.picture}


def _words(found: EnergyErrors) -> str:
    said = []
    if len(found.table.dropna().loc[:1.0]) >= 2:
        said.append(f"Up to 1 fs the error goes as dt to the power of {found.law()[1]:.2f}.")
    if found.lost:
        said.append(f"With {found.lost[0]:g} fs it blows up.")
    return " ".join(said)
