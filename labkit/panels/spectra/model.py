"""The Spectra panel without a screen: trajectories of replicas, and their spectra."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import ase.io
import numpy as np
import traitlets
from ase import Atoms

from labkit.base import Potential
from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.controls import parameters
from labkit.panels.kit.files import file_bytes
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.potentials import potential_files
from labkit.panels.kit.stretch import Stretch
from labkit.panels.spectra.figure import SpectraFigure
from labkit.panels.spectra.mode import ShowsModes
from labkit.panels.spectra.script import spectra_script
from labkit.panels.spectra.summary import table_of, words_of
from labkit.spectra import Spectrum
from labkit.spectra.spectra_run import DEUTERIUM, FRAMES, SpectraPlan, SpectraRun, Tensors, extend_run
from labkit.spectra.spectra_set import SpectraSet, SpectrumOptions, spectra_of
from labkit.spectra.transform import plan as feasible

Float, Int, Text = traitlets.Float, traitlets.Int, traitlets.Unicode
CLASSICAL = "none"
PAUSE = 4.0  # wait between two pictures during a run, in units of the time to draw one


class SpectraModel(ShowsModes, PanelModel):
    """Parameters of replicas and of their spectra; a SpectraRun as `results`, the spectra as `shown`.

    The group "spectrum" takes effect at once, also during a run and on stored data. `run` starts again, `go_on`
    continues the same replicas for as long again, with their initial settings.
    """

    title = "Spectra"
    hint = (
        "Resolution, window and quantum correction act at once. Continue follows the same replicas for as long "
        "again, or after Stop to the end; Run starts new ones. Click a peak to see the atoms move in its mode."
    )
    continue_hint = "Follow the same replicas further, after Stop to the end"
    open_groups = 2

    picoseconds = p(Float(0.5), "run", "length", "ps", range=(0.1, 20.0, 0.1), help="of each replica")
    replicas = p(Int(8), "run", "replicas", range=(2, 32, 1), help="in one batch, from different frames")
    temperature = p(Float(300.0), "run", "temperature", "K", range=(50.0, 600.0, 10.0))
    hydrogen = p(Text("H"), "run", "hydrogen", options=["H", "D"], help="D: deuterium, heavy water")
    resolution = p(Float(100.0), "spectrum", "resolution", "cm⁻¹", range=(20.0, 400.0, 5.0), live=True, at_once=True)
    quantum = p(
        Text("harmonic"), "spectrum", "quantum", options=["harmonic", "standard", "schofield", CLASSICAL],
        help="correction of the classical spectrum", at_once=True,
    )  # fmt: skip
    window = p(
        Text("hann"), "spectrum", "window", options=["hann", "gaussian"], help="over the correlation function",
        at_once=True,
    )  # fmt: skip
    dt = p(Float(0.5), "advanced", "timestep", "fs")
    sampling = p(Float(4.0), "advanced", "sample every", "fs", help="4 fs show up to 4,170 cm⁻¹")
    equilibration = p(Float(0.05), "advanced", "equilibration", "ps", help="under a Langevin thermostat, not recorded")
    seed = p(Int(1), "advanced", "seed", help="of velocities and thermostat")

    def __init__(
        self,
        potential: Potential,
        frames: Sequence[Atoms],
        polarizability: Tensors | None = None,
        born_charges: Tensors | None = None,
        minimum: Atoms | None = None,
        **values: Any,
    ) -> None:
        super().__init__(**values)
        self.frames = list(frames)
        if not self.frames:
            raise LabkitError("there is no initial frame; give some, of one system")
        for k, frame in enumerate(self.frames):
            if frame.numbers.tolist() != self.frames[0].numbers.tolist():
                raise LabkitError(f"frame {k} has other atoms than frame 0; give frames of one system")
        self.potential, self.polarizability, self.born_charges = potential, polarizability, born_charges
        self.minimum = minimum
        self.shown: SpectraSet | None = None
        self._figure = SpectraFigure()
        self._rest = 0.0
        self._drawn: SpectraRun | None = None
        self._parameters = self  # those of the run
        self._stretch = Stretch(0.0, 0)
        self._unsuitable = ""  # why the spectra requested cannot be computed
        self._redraw = self.follow(self._draw, "spectra")
        self.observe(self._request_picture, parameters(self, "spectrum"))

    @property
    def spectra(self) -> dict[str, Spectrum]:
        """The spectra shown, by name."""
        return {} if self.shown is None else self.shown.spectra

    def options(self) -> SpectrumOptions:
        return SpectrumOptions(self.resolution, self.window, None if self.quantum == CLASSICAL else self.quantum)

    def plan(self) -> SpectraPlan:
        """The plan for the parameters; raises LabkitError if they are invalid."""
        for name in ("picoseconds", "temperature", "dt", "sampling"):
            if not 0 < (value := getattr(self, name)) < np.inf:
                tags = self.traits()[name].metadata
                raise LabkitError(f"{tags['label']} is {value:g} {tags['unit']}, expected a positive number")
        if self.replicas < 1 or self.equilibration < 0:
            found = f"{self.replicas} replicas and {self.equilibration:g} ps of equilibration"
            raise LabkitError(f"{found}; expected 1 or more, and 0 or longer")
        every = max(1, round(self.sampling / self.dt))
        feasible(1_000_000, every * self.dt, self.resolution, self.window, 4000.0, 1)
        starts = [self._isotope(self.frames[k % len(self.frames)]) for k in range(self.replicas)]
        still = None if self.minimum is None else self._isotope(self.minimum)
        return SpectraPlan(
            self.potential, self.polarizability, self.born_charges, starts, still, self.temperature, self.dt, every,
            round(1e3 * self.equilibration / self.dt), self.seed, max(1, self.steps() // (every * FRAMES)),
        )  # fmt: skip

    def steps(self) -> int:
        return max(1, round(1e3 * self.picoseconds / self.dt))

    def make_job(self) -> Job:
        plan = self.plan()
        if not self.continuing:
            self._stretch = Stretch(self.picoseconds, self.steps())
            return Job(extend_run, plan, self.steps(), name="spectra")
        steps, reached = max(1, round(1e3 * self.picoseconds / self.results.plan.dt)), self.results.state.loop_step
        steps = self._stretch.left(self.picoseconds, reached) or steps
        self._stretch = Stretch(self.picoseconds, reached + steps)
        return Job(extend_run, self.results, steps, name="spectra")

    def present(self, result: SpectraRun) -> None:
        """Draw, but leave most of the time to the dynamics during a run."""
        moving = self.job is not None and self.job.status == "running"
        if not moving or time.monotonic() > self._rest:
            self._draw()

    def script(self) -> str:
        return spectra_script(self)

    def outputs(self, run: SpectraRun) -> dict[str, bytes]:
        files = {}
        for name, spectrum in self.shown.spectra.items():
            files[f"{name}.csv"] = file_bytes(spectrum.to_csv, f"{name}.csv")
        if run.modes is not None:
            files["normal_modes.csv"] = run.modes.to_frame().to_csv(index=False).encode()
        files |= {"spectra.png": self.picture, "trajectory.extxyz": file_bytes(run.write_frames, "trajectory.extxyz")}
        files["start.extxyz"] = file_bytes(lambda path: ase.io.write(path, run.plan.starts), "start.extxyz")
        for name in ("polarizability", "born_charges"):
            if (model := getattr(run.plan, name)) is not None:
                files[f"{name}.safetensors"] = file_bytes(model.save, name)
        return files | potential_files(run.plan.potential)

    def _isotope(self, atoms: Atoms) -> Atoms:
        atoms = atoms.copy()
        if self.hydrogen not in ("H", "D"):
            raise LabkitError(f"hydrogen is {self.hydrogen!r}, expected 'H' or 'D'")
        if self.hydrogen == "D":
            atoms.set_masses(np.where(atoms.numbers == 1, DEUTERIUM, atoms.get_masses()))
        return atoms

    def _request_picture(self, _: object) -> None:
        if self.results is not None:
            self._redraw.ask()

    def _take(self, result: SpectraRun) -> None:
        """The spectra of a run are shown once it is long enough; those of the run before stay until then."""
        if self._next is not None:
            self._parameters, self._next = self._next, None
            self._parameters._parameters = self._parameters._drawn = None  # they keep no earlier run
        self.results = result

    def _spectrum(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in parameters(self, "spectrum")}

    def _draw(self) -> None:
        """Draw the run so far; if the spectra requested cannot be computed, show why and let the run continue."""
        with self._drawing:
            run, now, start, found = self.results, self._parameters.frozen(**self._spectrum()), time.monotonic(), None
            try:
                found, self._unsuitable = None if run is None else spectra_of(run, now.options()), ""
            except LabkitError as error:
                self._unsuitable = str(error)
            if found is not None:
                if self._drawn is None or self._drawn.motions is not run.motions:
                    self.mode = None  # the modes of another run
                self.shown = now.shown = found
                self._drawn, self.ran = run, now.frozen(results=run)
                self.show(self._figure.live, self._figure.picture(found))
                self.table, self.note = table_of(found), words_of(run, found, now.resolution)
            self._rest = time.monotonic() + PAUSE * (time.monotonic() - start)
        self._show_message()

    def _update(self, job: Job) -> None:
        super()._update(job)
        if job.status != "running" and self.results is not None and self._drawn is not self.results:
            self._draw()  # a run that failed shows its results until then
        self._show_message()

    def _show_message(self) -> None:
        self.message = (self.job.message if self.job is not None else "") or self._unsuitable
