"""The Overfitting panel without a screen: sliders whose every move is a fit."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import traitlets

from labkit.datasets import Dataset
from labkit.datasets.faults import with_noise
from labkit.errors import LabkitError
from labkit.gap import GapConfig
from labkit.gap.sweep import sweep
from labkit.jobs import Job
from labkit.panels._anew import Anew
from labkit.panels._controls import parameter as p
from labkit.panels._controls import parameters
from labkit.panels._latest import Latest
from labkit.panels._overfit import Point, Scan, Scene, scenes
from labkit.panels._overfit_figure import OverfitFigure
from labkit.panels._overfit_rows import curves_of, table_of
from labkit.panels._overfit_script import overfit_script
from labkit.panels.train_model import terms_of
from labkit.runs import FitRecord, runs

Float, Int, Text = traitlets.Float, traitlets.Int, traitlets.Unicode
SOAP = ("n_max", "l_max", "cutoff", "atom_sigma", "zeta", "n_sparse")
RANGES = {"sigma_energy": (1e-5, 1.0), "sigma_force": (1e-4, 10.0)}
REST = 0.6  # s without a move, after which the sweep is made and the fit is written down
BOTH, ENERGIES = "energies and forces", "energies only"


class OverfitModel(Anew):
    """Parameters of a fit; a Scene as `results`, the latest fit as `point`, the sweep of the sigma moved as `curve`."""

    sigma_energy = p(Float(), "fit", "sigma_energy", "eV/√atom", range=(1e-5, 1.0, 0.05), log=True, live=True)
    sigma_force = p(Float(), "fit", "sigma_force", "eV/Å", range=(1e-4, 10.0, 0.05), log=True, live=True)
    shown = p(Text("forces"), "fit", "show", options=["energy", "forces"], help="in parity plot and error curves")
    labels = p(Text(BOTH), "data", "learn from", options=[BOTH, ENERGIES])
    frames = p(Int(), "data", "training frames", range=(1, 1, 1))
    noise = p(Float(), "data", "label noise", "meV/atom", range=(0.0, 10.0, 0.5), help="forces: 20 times as many meV/Å")
    n_max = p(Int(), "descriptor", "n_max", range=(1, 12, 1), help="radial functions")
    l_max = p(Int(), "descriptor", "l_max", range=(0, 10, 1), help="highest degree of spherical harmonics")
    cutoff = p(Float(), "descriptor", "cutoff", "Å", range=(2.0, 6.0, 0.1), help="neighbours up to here are seen")
    atom_sigma = p(Float(), "descriptor", "atom_sigma", "Å", range=(0.1, 0.8, 0.05), help="width of an atom's Gaussian")
    zeta = p(Int(), "descriptor", "zeta", range=(1, 8, 1), help="exponent of the kernel")
    n_sparse = p(Int(), "descriptor", "n_sparse", range=(10, 1000, 10), help="sparse points for each species")
    point = traitlets.Instance(Point, allow_none=True)
    curve = traitlets.Any(None)

    def __init__(
        self, train: Dataset, valid: Dataset | None = None, config: GapConfig | None = None, scan: Dataset | None = None
    ) -> None:
        super().__init__()
        if len(train) == 0:
            raise LabkitError("the training set is empty; expected at least one frame")
        self.train, self.valid, self.base = train, valid, config or GapConfig(sigma_virial=None)
        self.scan = Scan.of(scan) if scan is not None else Scan.from_frames(train)
        soap, _ = terms_of(self.base)
        self.traits()["frames"].metadata["how"]["range"] = (1, len(train), 1)
        for name in SOAP:
            setattr(self, name, type(getattr(self, name))(getattr(soap, name)))
        self.frames, self.sigma_energy = len(train), self.base.sigma_energy
        self.sigma_force = self.base.sigma_force or 0.05
        self.labels = BOTH if self.base.sigma_force is not None else ENERGIES
        self.shown = "forces" if self.labels == BOTH else "energy"
        self._moved, self._figure, self._recorded = "", None, ""
        self._drawing = threading.Lock()
        self._fit = Latest(self._show_fit, "fit", self._complain)
        self._rest = Latest(self._at_rest, "sweep", self._complain, delay=REST)
        self.observe(self._move, ["sigma_energy", "sigma_force"])
        self.observe(lambda _: self._fit.ask() if self.results else None, ["shown"])
        self.observe(self._build, [*parameters(self, "data"), *parameters(self, "descriptor")])

    @property
    def swept(self) -> str:
        """The sigma whose sweep is shown: the one moved last, or that of the labels there are most of."""
        return self._moved or ("sigma_force" if self.labels == BOTH else "sigma_energy")

    def config(self) -> GapConfig:
        """The parameters as GapConfig; raises LabkitError for what makes no sense."""
        soap, pair = terms_of(self.base)
        soap = replace(soap, **{name: getattr(self, name) for name in SOAP})
        return self.base.replace(
            descriptors=(soap,) if pair is None else (soap, pair),
            sigma_energy=self.sigma_energy,
            sigma_force=self.sigma_force if self.labels == BOTH else None,
        )

    def data(self) -> Dataset:
        """The training frames chosen, with their noise."""
        chosen = self.train[: self.frames]
        return with_noise(chosen, self.noise / 1e3, 20 * self.noise / 1e3) if self.noise else chosen

    def make_job(self) -> Job:
        if not 1 <= self.frames <= len(self.train):
            raise LabkitError(f"training frames is {self.frames}, expected 1 to {len(self.train)}")
        return Job(scenes, self.data(), self.config(), self.valid, self.scan, name="overfitting")

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until all that was asked for is built, drawn and swept; raises what failed."""
        end = time.monotonic() + timeout
        while True:
            job = self.job
            if job is not None:
                job.wait(max(end - time.monotonic(), 0.0))
            for latest in (self._fit, self._rest):
                latest.settle(max(end - time.monotonic(), 0.0))
            if job is self.job and not self.waiting and not self._fit.busy and not self._rest.busy:
                return

    def present(self, result: Scene) -> None:
        with self._drawing:
            self._figure = None
            self.curve = None
        self._show_fit()
        self._rest.ask()

    def code(self) -> str:
        return overfit_script(self)

    def files(self) -> dict[str, bytes]:
        if self.point is None:
            return {}
        files = {"gap_config.cfg": self.point.model.config.text().encode(), "overfitting.png": self.picture}
        if self.curve is not None:
            flat = self.curve.copy()
            flat.columns = [" ".join(filter(None, pair)) for pair in flat.columns]
            files["sweep.csv"] = flat.to_csv().encode()
        return files

    def _sigmas(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in RANGES}

    def _move(self, change: dict) -> None:
        self._moved = change["name"]
        if self.results is not None:
            self.message = ""
            self._fit.ask()
            self._rest.ask()

    def _build(self, change: dict) -> None:
        """A slider of the data or the descriptor: begin anew, in place of what runs."""
        if change["name"] == "labels":
            self._moved = ""
            self.shown = "forces" if self.labels == BOTH else "energy"
        self.anew()

    def _complain(self, error: LabkitError) -> None:
        self.message = str(error)

    def _show_fit(self) -> None:
        """Solve, draw, and say the errors, for the sigmas as they are now."""
        with self._drawing:
            scene, sigmas = self.results, self._sigmas()
            self.point = scene.point(**sigmas)
            if self._figure is None or self._figure.scene is not scene or self._figure.quantity != self.shown:
                self._figure = OverfitFigure(scene, self.shown)
                if self.curve is not None:
                    self._figure.set_sweep(self.curve)
            self.picture = self._figure.picture(self.point, self.swept, sigmas[self.swept])
            self.table, self.note = table_of(self.point, scene), "\n".join(scene.notes)

    def _at_rest(self) -> None:
        """The sweep of the sigma moved last, and a row for the tray."""
        scene, name, sigmas = self.results, self.swept, self._sigmas()
        others = {key: value for key, value in sigmas.items() if key != name and self.labels == BOTH}
        wanted = (id(scene), name, tuple(others.values()))
        if self.curve is None or self.curve.attrs.get("of") != wanted:
            low, high = RANGES[name]
            table = sweep(scene.design, name, np.geomspace(low, high, 25), progress=self._rest, **others)
            table.attrs["of"] = wanted
            with self._drawing:
                self.curve = table
                if self._figure is not None and self._figure.scene is scene:
                    self._figure.set_sweep(table)
            self._show_fit()
        if self.job is not None and self.job.status != "running" and scene is self.job.result:  # not one on the way
            self._note_down(scene)

    def _note_down(self, scene: Scene) -> None:
        """A row for the tray, once for each place where the sliders came to rest."""
        point = self.point
        place = f"{point.model.config.text()} {scene.design.train.hash} {scene.n_frames}"
        if place == self._recorded:
            return
        seconds = point.seconds if self._recorded else scene.seconds
        self._recorded = place
        name = f"overfitting, {self.labels}" + (f", noise {self.noise:g} meV/atom" if self.noise else "")
        curves = curves_of(point, self.scan, self.curve, self.shown)
        model = point.model
        runs().add(FitRecord(name, model.config, point.errors, model.log_evidence, seconds, scene.n_frames, curves))
