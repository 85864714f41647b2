"""The Dynamics panel without a screen: potential, ensemble and the settings that can be changed during a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import traitlets
from ase import Atoms

from labkit.active import LeastCertain, uncertainty_of
from labkit.base import Integrator, Potential, State
from labkit.base.unwrap import unwrap_molecules
from labkit.datasets import Dataset
from labkit.engine import CellRescaling, Csvr, Langevin, VelocityVerlet, maxwell_boltzmann
from labkit.engine.adjustable_run import FRAMES, ROWS, AdjustableRun, RunSetting
from labkit.engine.adjustable_run_file import read_run, write_run
from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.dynamics.figure import DynamicsFigure
from labkit.panels.dynamics.script import dynamics_script
from labkit.panels.dynamics.spread import SPREADS, run_with_spread, words_of
from labkit.panels.dynamics.summary import table_of
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.files import file_bytes
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.potentials import potential_files, sees_stresses
from labkit.panels.kit.stretch import Stretch

Float, Int, Text = traitlets.Float, traitlets.Int, traitlets.Unicode
ADJUSTABLE = ("ensemble", "temperature", "dt", "friction", "time", "pressure")  # also during a run
NVE, LANGEVIN, CSVR, NPT = "NVE", "NVT, Langevin", "NVT, CSVR", "NPT, cell rescaling"


class DynamicsModel(PanelModel):
    """Parameters of a run, and an AdjustableRun as `results`.

    All but potential, steps and seed take effect at once, also during a run. `run` begins at the structure with new
    velocities, `go_on` where the last run ended. If the potential has an uncertainty, its spread is drawn along the
    run, and marked where it exceeds that of the `known` frames, or of a GAP's own sparse points.
    """

    title = "Molecular dynamics"
    hint = (
        "Change temperature or timestep while it runs. Continue starts where the last run ended, and after Stop takes "
        "the steps that are left; Run starts again."
    )
    continue_hint = "The steps left after Stop, or as many again"

    potential = p(Text(), "basic", "potential", options=[])
    ensemble = p(Text(NVE), "basic", "ensemble", options=[NVE, LANGEVIN, CSVR, NPT])
    temperature = p(Float(300.0), "basic", "temperature", "K", range=(10.0, 1000.0, 10.0), live=True)
    dt = p(Float(0.5), "basic", "timestep", "fs", range=(0.1, 6.0, 0.1))
    steps = p(Int(1000), "basic", "steps", range=(100, 20_000, 100))
    friction = p(Float(0.01), "advanced", "friction", "1/fs", help="of the Langevin thermostat")
    time = p(Float(100.0), "advanced", "CSVR time", "fs", help="in which the kinetic energy relaxes to its mean")
    pressure = p(Float(1e-4), "advanced", "pressure", "GPa", help="1 bar is 1e-4 GPa")
    seed = p(Int(1), "advanced", "seed", help="of the first velocities and of the thermostat")

    def __init__(
        self,
        potentials: Potential | Mapping[str, Potential],
        atoms: Atoms,
        known: Dataset | Sequence[Atoms] | None = None,
    ) -> None:
        super().__init__()
        self.known = known
        self.potentials = {"": potentials} if isinstance(potentials, Potential) else dict(potentials)
        if not self.potentials:
            raise LabkitError("there is no potential; give one, or a dictionary of them by name")
        self.atoms = unwrap_molecules(atoms)
        self.ensembles = [NVE, LANGEVIN, CSVR, *([NPT] if atoms.pbc.all() else [])]
        self.traits()["potential"].metadata["how"]["options"] = list(self.potentials)
        self.traits()["ensemble"].metadata["how"]["options"] = self.ensembles
        self.potential = next(iter(self.potentials))
        self._figure, self._started, self._adjusted = None, None, {}
        self._stretch = Stretch(0, 0)

    @property
    def log(self) -> pd.DataFrame:
        """Energies [eV], temperatures [K] and volume [Å^3] by step."""
        return self.found().log

    @property
    def trajectory(self) -> list[Atoms]:
        """Recorded frames, with velocities, energies and forces."""
        return self.found().trajectory

    def integrator(self) -> Integrator:
        """The integrator of the current parameters; raises LabkitError if they are invalid."""
        if not self.temperature > 0:
            raise LabkitError(f"temperature is {self.temperature:g} K, expected a positive number")
        if self.ensemble == LANGEVIN:
            return Langevin(self.temperature, self.friction)
        if self.ensemble == CSVR:
            return Csvr(self.temperature, self.time)
        if self.ensemble == NPT and NPT in self.ensembles:
            return CellRescaling(self.temperature, self.pressure, self.friction)
        if self.ensemble != NVE:
            raise LabkitError(f"ensemble is {self.ensemble!r}, expected one of {', '.join(self.ensembles)}")
        return VelocityVerlet()

    def follows(self, name: str) -> bool:
        return name in ADJUSTABLE and self.status in ("running", "stopping")

    def adjusted(self) -> RunSetting:
        """The setting of the next block of the run."""
        self._adjusted = {name: getattr(self, name) for name in ADJUSTABLE}
        return self.setting()

    def setting(self) -> RunSetting:
        return RunSetting(self.integrator(), self.dt, None if self.ensemble == NVE else self.temperature)

    def begin(self) -> State:
        """The structure, with velocities drawn at the temperature."""
        return maxwell_boltzmann(State.from_atoms(self.atoms, seed=self.seed), self.temperature)

    @property
    def started(self) -> tuple[str, float, int]:
        """Potential, temperature [K] of the first velocities, and seed of the last run, or of the next one."""
        return self._started or (self.potential, self.temperature, self.seed)

    def make_job(self) -> Job:
        self.setting()
        if self.steps < 1:
            raise LabkitError(f"steps is {self.steps}, expected 1 or more")
        if not 0 < self.dt < np.inf:
            raise LabkitError(f"timestep is {self.dt:g} fs, expected a positive number such as 0.5")
        if self.potential not in self.potentials:
            raise LabkitError(f"potential is {self.potential!r}, expected one of {', '.join(self.potentials)}")
        if not self.continuing:
            self._started = None  # of this run from now on
            run, self._started = AdjustableRun(self.begin(), every=self.every()), self.started
        elif self.potential == self.started[0]:
            run = self.results
        else:
            raise LabkitError(f"the last run used '{self.started[0]}'; press Run to start with '{self.potential}'")
        reached = run.state.loop_step
        steps = (self._stretch.left(self.steps, reached) if self.continuing else 0) or self.steps
        self._stretch = Stretch(self.steps, reached + steps)
        potential = self.potentials[self.potential]
        self._figure = DynamicsFigure(run.time + steps * self.dt, uncertainty_of(potential) is not None)
        rows = run.every[0]
        spreads = rows * max(1, self.steps // (SPREADS * rows))
        how = (self.adjusted, steps, spreads)
        return Job(run_with_spread, run, potential, self.known, *how, name="dynamics")

    def cautions(self) -> list[str]:
        """What is doubtful about this ensemble with this potential."""
        if self.ensemble != NPT or sees_stresses(self.potentials[self.started[0]]):
            return []
        return ["This potential was fitted without stresses: its pressure, and the volume it leads to, are a guess."]

    def every(self) -> tuple[int, int]:
        """Steps between rows of the log, and between frames of the trajectory."""
        rows = max(1, self.steps // ROWS)
        return rows, rows * max(1, self.steps // (FRAMES * rows))

    def present(self, result: AdjustableRun) -> None:
        if result.rows:
            failed = self.job is not None and self.job.error is not None
            with self._drawing:
                self.show(self._figure.live, self._figure.picture(result, failed))
            self.table, words = table_of(result)
            remarks = [] if failed else [words, *self.ran.cautions()]
            self.note = "\n".join(filter(None, [words_of(result), *remarks]))
            self.ran = self.ran.frozen(**self._adjusted)

    def keep(self, path: Path) -> None:
        if self.results is not None and self.results.rows:
            write_run(self.results, path, started=self.started, stretch=self._stretch)

    def recall(self, path: Path) -> AdjustableRun | None:
        run, about = read_run(path, LeastCertain)
        potential, temperature, seed = about["started"]
        if potential not in self.potentials or run.state.system.numbers.tolist() != self.atoms.numbers.tolist():
            return None
        self._started = str(potential), float(temperature), int(seed)
        self._stretch = Stretch(*about["stretch"])
        return run

    def script(self) -> str:
        return dynamics_script(self)

    def outputs(self, result: AdjustableRun) -> dict[str, bytes]:
        files = {
            "run.csv": self.log.to_csv().encode(),
            "run.extxyz": file_bytes(result.write_frames, "run.extxyz"),
            "start.extxyz": file_bytes(lambda path: result.write_frames(path, count=1), "start.extxyz"),
        }
        return files | potential_files(self.potentials[self.started[0]])

    def _update(self, job: Job) -> None:
        if job is self.job and job.error is not None and job.result is self.results and self.results is not None:
            self.present(self.results)  # again, with the mark of the end
        super()._update(job)
