"""The LearningCurve panel without a screen: a guess, and a curve that can be resumed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from labkit.base.settings import ModelSettings
from labkit.config import config as run_config
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.gap import Design, GapConfig
from labkit.gap.learning import LearningCurve, curve_fingerprint
from labkit.jobs import Job
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.controls import parameters
from labkit.panels.kit.files import file_bytes
from labkit.panels.kit.gap_terms import CUTOFFS, terms_of, with_soap
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.plotted import Pointer
from labkit.panels.kit.script import Script
from labkit.panels.kit.style import SET_NAMES
from labkit.panels.learning.chosen import ChosenFit
from labkit.panels.learning.figure import UNIT, learning_figure
from labkit.panels.learning.summary import more_data, table_of, verdict
from labkit.runs import FitRecord, runs

if TYPE_CHECKING:
    from distributed import Client

Float, Int, Text = traitlets.Float, traitlets.Int, traitlets.Unicode
SOAP = ("cutoff", "n_max", "l_max", "n_sparse")


class LearningModel(PanelModel):
    """Parameters of a learning curve, and a LearningCurve as `results`.

    guess_energy, guess_forces  the learner's guess for `at` frames; 0: no guess; `locked` once the curve has started
    """

    title = "Learning curve"
    hint = (
        "How does the error fall as frames are added? Say what you expect, then press Run. Click a dot for its model."
    )
    open_groups = 2

    guess_energy = p(
        Float(), "guess", "energy RMSE", "meV/atom", range=(0.0, 10.0, 0.1), help="0: no guess", at_once=True
    )
    guess_forces = p(Float(), "guess", "force RMSE", "meV/Å", range=(0.0, 300.0, 1.0), help="0: no guess", at_once=True)
    sizes = p(Text("50, 100, 200, 400"), "curve", "sizes", "frames", help="numbers of training frames")
    repeats = p(Int(3), "curve", "repeats", range=(1, 10, 1), help="orders of the frames")
    cutoff = p(
        Float(), "settings", "cutoff", "Å", range=(2.0, 6.0, 0.1), limits=CUTOFFS, help="neighbours up to here are seen"
    )
    n_max = p(Int(), "settings", "n_max", range=(1, 12, 1), help="radial functions")
    l_max = p(Int(), "settings", "l_max", range=(0, 10, 1), help="highest degree of spherical harmonics")
    n_sparse = p(Int(), "settings", "n_sparse", range=(10, 1000, 10), help="sparse points for each species")
    sigma_energy = p(Float(), "settings", "sigma_energy", "eV/√atom", range=(1e-5, 1.0, 0.1), log=True)
    sigma_force = p(Float(), "settings", "sigma_force", "eV/Å", range=(1e-4, 10.0, 0.1), log=True)
    locked = traitlets.Bool(False)
    usual: ClassVar[ModelSettings] = GapConfig()

    def __init__(
        self,
        train: Dataset,
        valid: Dataset | None = None,
        config: ModelSettings | None = None,
        *,
        sizes: list[int] | None = None,
        client: Client | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        if len(train) == 0:
            raise LabkitError("the training set is empty; expected at least one frame")
        self.train, self.valid, self.base = train, valid, config or self.usual
        self.client, self.checkpoint = client, checkpoint
        self._show_config()
        halves = [n for n in (len(train) // 8, len(train) // 4, len(train) // 2, len(train)) if n]
        self.sizes = ", ".join(map(str, sizes or dict.fromkeys(halves)))
        self._recorded: set[tuple[int, int]] = set()
        self.chosen, self._size = ChosenFit(), 0
        self._solve = self.follow(self._solve_chosen, "chosen fit")
        self.observe(self._unlock, [*parameters(self, "curve"), *parameters(self, "settings")])

    @property
    def at(self) -> int:
        """The number of frames of the guess: the largest size."""
        try:
            return max(self.counts())
        except LabkitError:
            return len(self.train)

    def counts(self) -> list[int]:
        """The sizes as numbers, at least one; LabkitError for other text."""
        try:
            found = sorted({int(word) for word in self.sizes.replace(",", " ").split()})
        except ValueError:
            raise LabkitError(f"sizes are {self.sizes!r}, expected whole numbers, as in 50, 100, 200") from None
        if not found:
            raise LabkitError("no sizes given; expected numbers of training frames, as in 50, 100, 200")
        return found

    def _show_config(self) -> None:
        """Set the parameters from the first settings."""
        soap, _ = terms_of(self.base)
        for name in SOAP:
            setattr(self, name, getattr(soap, name))
        self.sigma_energy, self.sigma_force = self.base.sigma_energy, self.base.sigma_force or 0.05

    def config(self) -> ModelSettings:
        """The parameters as settings of the model; raises LabkitError if they are invalid."""
        return with_soap(
            self.base,
            {name: getattr(self, name) for name in SOAP},
            sigma_energy=self.sigma_energy,
            sigma_force=None if self.base.sigma_force is None else self.sigma_force,
        )

    def make_job(self) -> Job:
        counts, config = self.counts(), self.config()
        if not (counts[0] >= 1 and counts[-1] <= len(self.train)):
            wrong = counts[0] if counts[0] < 1 else counts[-1]
            raise LabkitError(f"size {wrong}: expected 1 to {len(self.train)}, the number of training frames")
        if self.repeats < 1:
            raise LabkitError(f"repeats is {self.repeats}, expected 1 or more")
        self.locked = True
        self._recorded = set()
        self.chosen.clear()
        options: dict[str, Any] = {"sizes": counts, "repeats": self.repeats, "client": self.client}
        return Job(*self.work(config), **options, name="learning curve", checkpoint=self.folder(config))

    def work(self, config: ModelSettings) -> tuple[Any, ...]:
        """The function that yields the curve, and its arguments."""
        return LearningCurve.grow, self.train, config, self.valid

    def mark(self, config: ModelSettings) -> str:
        """What the fits depend on, as a name."""
        return curve_fingerprint(Design(self.train, config, self.valid), 0)

    def folder(self, config: ModelSettings) -> os.PathLike[str] | str | None:
        """The folder of finished fits: as given, or in the cache under a hash of data and settings."""
        if self.checkpoint is not None:
            return self.checkpoint
        root = run_config().cache / "curves"
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None  # the notes of the design report that the cache cannot be used
        return root / self.mark(config)[:32]

    def present(self, result: LearningCurve) -> None:
        guesses = {"energy": self.guess_energy, "forces": self.guess_forces}
        self.show(learning_figure(result, self.ran.counts(), guesses, self.ran.at))
        self.table = table_of(result)
        words = [verdict(result, guesses, self.ran.at), more_data(result), *result.notes]
        self.note = "\n".join(word for word in words if word)
        for fit in result.seconds.keys() - self._recorded:
            self._record(result, fit)

    def script(self) -> str:
        script, config, known = Script(), self.config(), self.valid is not None
        script.frames("train", self.train, len(self.train))
        if known:
            script.frames("valid", self.valid)
        script.add(f"config = {script.call(config)}")
        options = f"{', valid' if known else ''}, sizes={self.counts()}, repeats={self.repeats}{self._stopped()}"
        script.add(self.call(script, options), "print(curve.summary())")
        script.add(*(["print(curve.law())"] if known else []))
        script.add('open("learning_curve.csv", "w").write(curve.to_csv())')
        return script.text()

    def call(self, script: Script, options: str) -> str:
        """The line of the script that makes the curve."""
        script.use("labkit.gap.learning", "LearningCurve")
        return f"curve = LearningCurve.build(train, config{options})"

    def frames_used(self) -> dict[str, Any]:
        return {"train": self.train, "valid": self.valid}

    def outputs(self, result: LearningCurve) -> dict[str, bytes]:
        settings = result.settings.text().encode()
        csv = result.to_csv().encode()
        files = {"learning_curve.csv": csv, "learning_curve.png": self.picture, result.settings.file_name: settings}
        if (fit := self.chosen.fit) is not None:
            files[f"gap_{fit.n_frames}.safetensors"] = file_bytes(fit.model.save, "gap.safetensors")
        return files

    def action(self, at: Pointer) -> str:
        return f"its model, the first fit of {at.hit.x:.0f} frames" if self._is_dot(at) else super().action(at)

    def press(self, at: Pointer) -> None:
        """A click on a dot fits its model again."""
        if not self._is_dot(at):
            return super().press(at)
        self._size = round(at.hit.x)
        self._solve.ask()

    def _is_dot(self, at: Pointer) -> bool:
        return at.hit is not None and at.hit.name in SET_NAMES.values() and self.results is not None

    def _solve_chosen(self) -> None:
        self.chosen.solve(self.train, self.valid, self.results.settings, self._size, self._solve)

    def _stopped(self) -> str:
        """The argument that names the fits of a curve that was stopped before its last one."""
        if self.results is None:
            return ""
        found = list(self.results.table[["size", "repeat"]].drop_duplicates().itertuples(index=False, name=None))
        planned = sum(1 if size == len(self.train) else self.repeats for size in self.counts())
        return "" if len(found) == planned else f", only={[(int(size), int(k)) for size, k in found]}"

    def _unlock(self, _: object) -> None:
        if self.status not in ("running", "stopping"):
            self.locked = False

    def _record(self, curve: LearningCurve, fit: tuple[int, int]) -> None:
        """A row for the tray."""
        self._recorded.add(fit)
        size, repeat = fit
        mine = curve.table[(curve.table["size"] == size) & (curve.table["repeat"] == repeat)]
        errors = mine.set_index(["set", "quantity"]).drop(columns=["size", "repeat", "log_evidence"])
        summary = curve.summary()
        curves = {
            f"training frames -> {SET_NAMES[which]} {quantity} RMSE [{UNIT[quantity]}]": (
                summary.loc[(which, quantity)].index.tolist(), summary.loc[(which, quantity), "rmse"].tolist()
            )
            for which in SET_NAMES for quantity in UNIT if (which, quantity) in summary.index.droplevel("size")
        }  # fmt: skip
        evidence = None if (found := mine["log_evidence"].iloc[0]) is None else float(found)
        run = FitRecord(
            f"learning curve, repeat {repeat + 1}", curve.settings, errors, evidence, curve.seconds[fit],
            size, curves,
        )  # fmt: skip
        try:
            runs().add(run)
        except LabkitError as error:
            self.note = f"{self.note}\n{error}".strip()
