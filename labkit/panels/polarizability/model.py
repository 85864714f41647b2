"""The Polarizability panel without a screen: sliders that respond at once, with designs computed in advance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import traitlets

from labkit.base import Progress
from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.controls import parameters
from labkit.panels.kit.files import file_bytes
from labkit.panels.kit.gap_terms import CUTOFFS
from labkit.panels.kit.restart import RestartOnChange
from labkit.panels.polarizability.figure import TensorFigure
from labkit.panels.polarizability.script import polarizability_script
from labkit.panels.polarizability.summary import table_of
from labkit.panels.polarizability.tensor_frame import ShowsTensors
from labkit.polarizability import Settings
from labkit.polarizability.design_cache import DesignCache
from labkit.polarizability.labels import Frames
from labkit.polarizability.split_design import SplitDesign, TensorFit

Float, Int = traitlets.Float, traitlets.Int
KEPT = 7  # designs: the one shown and its neighbours; each takes some 20 to 100 MB
REST = 0.4  # s without a move, after which the spread is computed, and the designs around
NOISE = {"range": (1e-10, 1e-1, 0.1), "log": True, "live": True}


class PolarizabilityModel(ShowsTensors, RestartOnChange):
    """Parameters of a tensor model; the SplitDesign of the current ones as `design`, the latest fit as `fit`.

    Run builds the design of the current environment, then those one step away on each slider, so that the design for
    the next move is ready; a move to one that is not ready computes it first.

    ready  the slider positions that respond at once
    """

    title = "Polarizability"
    hint = (
        "The trace (λ = 0) and the anisotropy (λ = 2) are two models with a regularization each. "
        "Bars are the spread that the model claims; they appear when a slider rests. Click a point to see its frame "
        "with both ellipsoids."
    )
    open_groups = 2

    noise_0 = p(Float(1e-5), "regularization", "λ = 0", **NOISE, help="noise variance of the trace")
    noise_2 = p(Float(1e-3), "regularization", "λ = 2", **NOISE, help="noise variance of the rest")
    cutoff = p(
        Float(4.0),
        "environment",
        "cutoff",
        "Å",
        range=(2.5, 6.0, 0.5),
        live=True,
        limits=CUTOFFS,
        help="range of neighbours",
    )
    atom_sigma = p(Float(0.3), "environment", "atom_sigma", "Å", range=(0.1, 0.7, 0.1), live=True, help="atom width")
    zeta = p(Int(2), "environment", "zeta", range=(1, 5, 1), live=True, help="1: linear in the features")
    n_max = p(Int(8), "descriptor", "n_max", range=(1, 12, 1), help="radial functions")
    l_max = p(Int(6), "descriptor", "l_max", range=(2, 10, 1), help="highest degree of spherical harmonics")
    n_features = p(Int(200), "descriptor", "n_features", range=(0, 500, 20), help="kept of each λ; 0: all")
    fit = traitlets.Instance(TensorFit, allow_none=True)
    ready = traitlets.Unicode("")

    def __init__(self, train: Frames, valid: Frames, **settings: Any) -> None:
        super().__init__()
        if not len(train) or not len(valid):
            found = f"{len(train)} training and {len(valid)} validation frames"
            raise LabkitError(f"{found}; expected at least one of each")
        if type(train) is not type(valid):
            raise LabkitError("train and valid are of different types; give two data sets, or two lists of Atoms")
        Settings.check_names(settings)
        self.train, self.valid, self.base = train, valid, dict(settings)
        for name in self._chosen:
            if name in settings:
                setattr(self, name, settings[name] or 0)
        self.designs = DesignCache(train, valid, KEPT)
        self._figure: TensorFigure | None = None
        self._shown: SplitDesign | None = None
        self._solve = self.follow(self._show_fit, "fit")
        self._rest = self.follow(self._show_spread, "spread", delay=REST)
        self._rebuild = self.follow(self.restart, "designs", delay=REST)
        self.observe(self._move_noise, parameters(self, "regularization"))
        self.observe(self._move_environment, list(self._chosen))

    @property
    def design(self) -> SplitDesign | None:
        """The design of the current parameters, if it is ready."""
        return self.designs.get(self.settings())

    def noise(self) -> dict[int, float]:
        return {0: self.noise_0, 2: self.noise_2}

    def settings(self) -> dict[str, Any]:
        """The parameters as TensorDesign.build takes them."""
        chosen = {name: round(getattr(self, name), 6) for name in self._chosen}
        return {**self.base, **chosen, "n_features": chosen["n_features"] or None}

    def neighbours(self) -> list[dict[str, Any]]:
        """Settings one step away on each slider of the environment, within its range."""
        here, found = self.settings(), []
        for name in parameters(self, "environment"):
            low, high, step = self.traits()[name].metadata["how"]["range"]
            places = (round(here[name] + way * step, 6) for way in (1, -1))
            found += [{**here, name: value} for value in places if low <= value <= high]
        return found

    def make_job(self) -> Job:
        if not (self.noise_0 > 0 and self.noise_2 > 0):
            raise LabkitError(f"regularization is {self.noise_0:g} and {self.noise_2:g}, expected numbers above 0")
        return Job(self._build, name="polarizability")

    def present(self, result: SplitDesign) -> None:
        self._show_fit()
        self._rest.ask()

    def script(self) -> str:
        return polarizability_script(self)

    def frames_used(self) -> dict[str, Any]:
        return {"train": self.train, "valid": self.valid}

    def outputs(self, result: SplitDesign) -> dict[str, bytes]:
        return {
            "learning_curve.csv": self.fit.curve.to_csv().encode(),
            "parity.csv": self.fit.parity(self._shown.truth).to_csv().encode(),
            "regularization.csv": self._shown.sweep.to_csv().encode(),
            "polarizability.png": self.picture,
            "polarizability.safetensors": file_bytes(self.fit.model.save, "polarizability.safetensors"),
        }

    @property
    def _chosen(self) -> tuple[str, ...]:
        """Names of the parameters that are settings of a design."""
        return (*parameters(self, "environment"), *parameters(self, "descriptor"))

    def _build(self, progress: Progress) -> Iterator[SplitDesign]:
        """The current design, then its neighbours."""
        here, others, first = self.settings(), self.neighbours(), None
        self.designs.keep(others)
        for k, settings in enumerate([here, *others]):
            part = progress.part(k, 1 + len(others))
            try:
                design = self.designs.build(settings, part)
            except LabkitError:
                if settings is here:
                    raise
                continue  # the error is shown when the slider is moved there
            part.update(1, 1)
            first = design if settings is here else first
            ready = {name: self.designs.values(name, self.settings()) for name in parameters(self, "environment")}
            words = [f"{name} {', '.join(f'{x:g}' for x in values)}" for name, values in ready.items() if values]
            self.ready = "Ready: " + "; ".join(words)
            yield first

    def _move_noise(self, _: object) -> None:
        if self.job is not None:
            self.message = ""
            self._solve.ask()
            self._rest.ask()

    def _move_environment(self, _: object) -> None:
        if self.job is not None:
            self._solve.ask()  # if it is ready, it is shown now
            self._rest.ask()
            self._rebuild.ask()

    def _show_fit(self) -> None:
        """Solve and draw with the current parameters, once their design is ready."""
        with self._drawing:
            now = self.frozen()
            if now.design is not None:
                self._draw(now, now.design, now.design.fit(now.noise()))

    def _show_spread(self) -> None:
        with self._drawing:
            design, fit = self.design, self.fit
            if design is not None and fit is not None and fit.spread is None and design is self._shown:
                self._draw(self.ran, design, design.with_spread(fit))

    def _take(self, result: SplitDesign) -> None:
        self.results, self._next = result, None  # shown is the design of the sliders, not always that of the job

    def _draw(self, of: PolarizabilityModel, design: SplitDesign, fit: TensorFit) -> None:
        """Show a fit with the parameters of `of`."""
        if self._figure is None:
            self._figure = TensorFigure(design)
        self._shown, self.fit = design, fit
        self.show(self._figure.live, self._figure.picture(design, fit))
        self.table, self.note = table_of(fit, design), "\n".join(design.design.notes)
        if fit.spread is not None or self.tensor_frame is None:  # an ellipsoid is drawn when a slider rests
            self.compare([design.design.atoms[k] for k in design.valid], design.truth, fit.values)
        self.ran = of.frozen(fit=fit, results=design)
        self.ran._shown = design
