"""The Overfitting panel without a screen: every move of a slider is a fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets

from labkit.datasets import Dataset
from labkit.datasets.faults import with_noise
from labkit.errors import LabkitError
from labkit.gap import GapConfig
from labkit.gap.bond_scan import BondScan
from labkit.gap.scan_design import ScanDesign, ScanFit, scan_designs
from labkit.gap.sweep import sweep
from labkit.jobs import Job
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.controls import parameters
from labkit.panels.kit.gap_terms import CUTOFFS, terms_of, with_soap
from labkit.panels.kit.plotted import Pointer
from labkit.panels.kit.restart import RestartOnChange
from labkit.panels.overfit.figure import SIGMA_UNIT, SIGMAS, OverfitFigure
from labkit.panels.overfit.script import overfit_script
from labkit.panels.overfit.summary import curves_of, table_of
from labkit.panels.train.compared import ComparesFrames
from labkit.runs import FitRecord, runs

Float, Int, Text = traitlets.Float, traitlets.Int, traitlets.Unicode
SOAP = ("n_max", "l_max", "cutoff", "atom_sigma", "zeta", "n_sparse")
REST = 0.6  # s without a move, after which the sweep is computed and the fit is recorded
BOTH, ENERGIES = "energies and forces", "energies only"


class OverfitModel(ComparesFrames, RestartOnChange):
    """Parameters of a fit; a ScanDesign as `results`, the latest fit as `point`, a sweep of one sigma as `curve`."""

    title = "Overfitting by slider"
    hint = (
        "A small sigma trusts every label; a large one favours a smooth function. The sigmas respond while they move; "
        "the sliders below them compute the descriptors again. Click a point to see its frame, or a curve over sigma "
        "to move the slider there."
    )
    open_groups = 3

    sigma_energy = p(Float(), "fit", "sigma_energy", "eV/√atom", range=(1e-5, 1.0, 0.05), log=True, live=True)
    sigma_force = p(Float(), "fit", "sigma_force", "eV/Å", range=(1e-4, 10.0, 0.05), log=True, live=True)
    shown = p(Text("forces"), "fit", "show", options=["energy", "forces"], help="in parity plot and error curves")
    labels = p(Text(BOTH), "data", "learn from", options=[BOTH, ENERGIES])
    frames = p(Int(), "data", "training frames", range=(1, 1, 1))
    noise = p(Float(), "data", "label noise", "meV/atom", range=(0.0, 10.0, 0.5), help="forces: 20 times as many meV/Å")
    n_max = p(Int(), "descriptor", "n_max", range=(1, 12, 1), help="radial functions")
    l_max = p(Int(), "descriptor", "l_max", range=(0, 10, 1), help="highest degree of spherical harmonics")
    cutoff = p(
        Float(),
        "descriptor",
        "cutoff",
        "Å",
        range=(2.0, 6.0, 0.1),
        limits=CUTOFFS,
        help="neighbours up to here are seen",
    )
    atom_sigma = p(Float(), "descriptor", "atom_sigma", "Å", range=(0.1, 0.8, 0.05), help="width of an atom's Gaussian")
    zeta = p(Int(), "descriptor", "zeta", range=(1, 8, 1), help="exponent of the kernel")
    n_sparse = p(Int(), "descriptor", "n_sparse", range=(10, 1000, 10), help="sparse points for each species")
    point = traitlets.Instance(ScanFit, allow_none=True)
    curve = traitlets.Any(None)

    def __init__(
        self,
        train: Dataset,
        valid: Dataset | None = None,
        config: GapConfig | None = None,
        *,
        scan: Dataset | None = None,
    ) -> None:
        super().__init__()
        if len(train) == 0:
            raise LabkitError("the training set is empty; expected at least one frame")
        self.train, self.valid, self.base = train, valid, config or GapConfig(sigma_virial=None)
        self.scan = BondScan.of(scan) if scan is not None else BondScan.from_frames(train)
        soap, _ = terms_of(self.base)
        how = self.traits()["frames"].metadata["how"]
        how["range"], how["limits"] = (1, len(train), 1), (1, len(train))
        for name in SOAP:
            setattr(self, name, type(getattr(self, name))(getattr(soap, name)))
        self.frames, self.sigma_energy = len(train), self.base.sigma_energy
        self.sigma_force = self.base.sigma_force or 0.05
        self.labels = BOTH if self.base.sigma_force is not None else ENERGIES
        self.shown = "forces" if self.labels == BOTH else "energy"
        self._last_moved, self._figure, self._recorded = "", None, ""
        self._fit = self.follow(self._show_fit, "fit")
        self._rest = self.follow(self._sweep_and_record, "sweep", delay=REST)
        self.observe(self._move, ["sigma_energy", "sigma_force"])
        self.observe(lambda _: self._fit.ask() if self.results else None, ["shown"])
        self.observe(self._build, [*parameters(self, "data"), *parameters(self, "descriptor")])

    @property
    def swept(self) -> str:
        """The sigma whose sweep is shown: the one moved last, or that of the forces if they are used."""
        return self._last_moved or ("sigma_force" if self.labels == BOTH else "sigma_energy")

    def config(self) -> GapConfig:
        """The parameters as GapConfig; raises LabkitError if they are invalid."""
        return with_soap(
            self.base,
            {name: getattr(self, name) for name in SOAP},
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
        return Job(scan_designs, self.data(), self.config(), self.valid, self.scan, name="overfitting")

    def present(self, result: ScanDesign) -> None:
        with self._drawing:
            self._figure = None
            self.curve = None
        self._show_fit()
        self._rest.ask()

    def script(self) -> str:
        return overfit_script(self)

    def frames_used(self) -> dict[str, Any]:
        return {"train": self.train, "valid": self.valid}

    def outputs(self, result: ScanDesign) -> dict[str, bytes]:
        if self.point is None:
            return {}
        files = {"gap_config.cfg": self.point.model.config.text().encode(), "overfitting.png": self.picture}
        if self.curve is not None:
            flat = self.curve.copy()
            flat.columns = [" ".join(filter(None, pair)) for pair in flat.columns]
            files["sweep.csv"] = flat.to_csv().encode()
        return files

    @property
    def quantity(self) -> str:
        return self._figure.quantity if self._figure is not None else self.shown

    def action(self, at: Pointer) -> str:
        if at.axes in ("error", "evidence") and self._figure is not None and self._figure.swept:
            return f"{self._figure.swept} {_on_slider(at.x):.2g} {SIGMA_UNIT[self._figure.swept]}"
        return super().action(at)

    def press(self, at: Pointer) -> None:
        """A click on a curve over sigma moves its slider there."""
        if at.axes in ("error", "evidence") and self._figure is not None and self._figure.swept:
            setattr(self, self._figure.swept, _on_slider(at.x))
        else:
            super().press(at)

    def _sigmas(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in SIGMAS}

    def _move(self, change: dict) -> None:
        self._last_moved = change["name"]
        if self.results is not None:
            self.message = ""
            self._fit.ask()
            self._rest.ask()

    def _build(self, change: dict) -> None:
        """A slider of the data or the descriptor has moved: build the design again."""
        if change["name"] == "labels":
            self._last_moved = ""
            self.shown = "forces" if self.labels == BOTH else "energy"
        self.restart()

    def _show_fit(self) -> None:
        """Solve and draw, with the current sigmas."""
        with self._drawing:
            design, sigmas, swept = self.results, self._sigmas(), self.swept
            self.point = design.fit(**sigmas)
            if self._figure is None or self._figure.design is not design or self._figure.quantity != self.shown:
                self._figure = OverfitFigure(design, self.shown)
                if self.curve is not None:
                    self._figure.set_sweep(self.curve)
            png = self._figure.picture(self.point, swept, sigmas[swept])
            self.show(self._figure.live, png)
            self.table, self.note = table_of(self.point, design), "\n".join(design.notes)
            self.compare({"train": design.design.train, "valid": design.design.valid}, self.point.predictions)
            self.ran = self.ran.frozen(**sigmas, shown=self._figure.quantity, point=self.point, curve=self.curve)
            self.ran._last_moved = swept

    def _sweep_and_record(self) -> None:
        """The sweep of the sigma moved last, and a row for the tray."""
        design, name, sigmas = self.results, self.swept, self._sigmas()
        others = {other: value for other, value in sigmas.items() if other != name and self.labels == BOTH}
        key = (id(design), name, tuple(others.values()))
        if self.curve is None or self.curve.attrs.get("key") != key:
            low, high = SIGMAS[name]
            table = sweep(design.design, name, np.geomspace(low, high, 25), progress=self._rest, **others)
            table.attrs["key"] = key
            with self._drawing:
                self.curve = table
                if self._figure is not None and self._figure.design is design:
                    self._figure.set_sweep(table)
            self._show_fit()
        if self.job is not None and self.job.status != "running" and design is self.job.result:  # not an unfinished one
            self._record(design)

    def _record(self, design: ScanDesign) -> None:
        """A row for the tray, once for each position where the sliders rest."""
        point = self.point
        place = f"{point.model.config.text()} {design.design.train.hash} {design.n_frames}"
        if place == self._recorded:
            return
        seconds = point.seconds if self._recorded else design.seconds
        self._recorded = place
        name = f"overfitting, {self.labels}" + (f", noise {self.noise:g} meV/atom" if self.noise else "")
        curves = curves_of(point, self.scan, self.curve, self.shown)
        model = point.model
        runs().add(FitRecord(name, model.config, point.errors, model.log_evidence, seconds, design.n_frames, curves))


def _on_slider(sigma: float) -> float:
    """The nearest position of the slider, which moves in steps of a twentieth of a decade."""
    return float(10 ** (round(20 * np.log10(sigma)) / 20))
