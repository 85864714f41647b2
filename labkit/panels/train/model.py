"""The Train panel without a screen: its parameters, its fit, its script and its files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import traitlets

from labkit.base import Progress
from labkit.datasets import Dataset
from labkit.datasets.split import BLOCKS, RANDOM, grouping, leak, parts, split_rows
from labkit.errors import LabkitError
from labkit.gap import Distance2b, GapConfig, Soap
from labkit.gap.incremental_fit import IncrementalFit
from labkit.gap.metrics import UNITS
from labkit.jobs import Job
from labkit.panels.kit import html
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.files import file_bytes
from labkit.panels.kit.gap_terms import CUTOFFS, terms_of
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.script import Script
from labkit.panels.kit.style import SET_NAMES
from labkit.panels.train.compared import ComparesFrames
from labkit.panels.train.drawn_fit import drawn_fits
from labkit.panels.train.figure import parity_figure
from labkit.runs import FitRecord, runs

Float, Int, Bool, Text = traitlets.Float, traitlets.Int, traitlets.Bool, traitlets.Unicode

NONE = "none"
#: A parameter's name here, and in Distance2b.
PAIR = {"pair_cutoff": "cutoff", "pair_delta": "delta", "pair_theta": "theta_uniform", "pair_n_sparse": "n_sparse"}
SOAP = (
    "cutoff", "n_max", "l_max", "n_sparse", "atom_sigma", "zeta", "delta", "cutoff_transition_width",
    "central_weight", "sparse_method",
)  # fmt: skip


class TrainModel(ComparesFrames, PanelModel):
    """Parameters of a GAP fit, and an IncrementalFit as `results`; Run resumes from a `checkpoint` folder."""

    title = "Train a Gaussian approximation potential"

    frames = p(Int(), "basic", "training frames", range=(1, 1, 1))
    cutoff = p(
        Float(), "basic", "cutoff", "Å", range=(2.0, 6.0, 0.1), limits=CUTOFFS, help="neighbours up to here are seen"
    )
    n_max = p(Int(), "basic", "n_max", range=(1, 12, 1), help="radial functions")
    l_max = p(Int(), "basic", "l_max", range=(0, 10, 1), help="highest degree of spherical harmonics")
    n_sparse = p(Int(), "basic", "n_sparse", range=(10, 1000, 10), help="sparse points for each species")
    sigma_energy = p(Float(), "basic", "sigma_energy", "eV/√atom", range=(1e-5, 1.0, 0.1), log=True)
    sigma_force = p(Float(), "basic", "sigma_force", "eV/Å", range=(1e-4, 10.0, 0.1), log=True)
    use_forces = p(Bool(), "basic", "use forces")
    atom_sigma = p(Float(), "advanced", "atom_sigma", "Å", help="width of an atom's Gaussian")
    zeta = p(Float(), "advanced", "zeta", help="exponent of the kernel")
    delta = p(Float(), "advanced", "delta", "eV", help="typical size of an atom's energy")
    cutoff_transition_width = p(Float(), "advanced", "transition", "Å")
    central_weight = p(Float(), "advanced", "central_weight")
    sparse_method = p(Text(), "advanced", "sparse_method", options=["cur_points", "fps", "random", "cur_covariance"])
    use_stresses = p(Bool(), "advanced", "use stresses")
    sigma_virial = p(Float(), "advanced", "sigma_virial", "eV/√atom")
    e0_method = p(Text(), "advanced", "e0_method", options=["average", "isolated"])
    e0 = p(Text(), "advanced", "e0", "eV", help="energies of single atoms, as in H=-13.6, O=-432; empty: by e0_method")
    sparse_jitter = p(Float(), "advanced", "sparse_jitter")
    seed = p(Int(), "advanced", "seed", help="of random sparse points")
    split = p(Text(NONE), "validation", "split off", options=[], help="frames that are not learned, but predicted")
    part = p(Float(0.2), "validation", "fraction", "of frames", range=(0.05, 0.5, 0.05), limits=(0.001, 0.999))
    pair = p(Bool(), "pair term", "add distance_2b")
    pair_cutoff = p(Float(4.0), "pair term", "cutoff", "Å")
    pair_delta = p(Float(1.0), "pair term", "delta", "eV")
    pair_theta = p(Float(1.0), "pair term", "theta_uniform", "Å")
    pair_n_sparse = p(Int(20), "pair term", "n_sparse")

    def __init__(
        self,
        train: Dataset,
        valid: Dataset | None = None,
        config: GapConfig | None = None,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self.train, self.valid, self.base, self.checkpoint = train, valid, config or GapConfig(), checkpoint
        self._recorded: Progress | None = None
        if len(train) == 0:
            raise LabkitError("the training set is empty; expected at least one frame")
        how = self.traits()["frames"].metadata["how"]
        how["range"], how["limits"] = (1, len(train), 1), (1, len(train))
        sets = f"{len(train)} training frames" + (f", {len(valid)} validation frames" if valid is not None else "")
        colours = "Blue circles are training frames; orange squares are new to the model"
        self.hint = f"{sets}. {colours}. Click a point to see its frame."
        self._show_config(self.base)
        self.frames = len(train)
        if valid is None:
            group = grouping(train) if isinstance(train, Dataset) else ""
            ways = {"no validation": NONE, f"by {group}": group, "time blocks": BLOCKS, "random frames": RANDOM}
            self.traits()["split"].metadata["how"]["options"] = [(k, v) for k, v in ways.items() if v]
            self.open_groups = 2
            self.observe(self._fill_frames, ["split", "part"])

    def visible_groups(self) -> list[str]:
        basic, *others = (name for name in super().visible_groups() if name != "validation")
        return [basic, *others] if self.valid is not None else [basic, "validation", *others]

    def sets(self) -> tuple[Dataset, Dataset | None]:
        """Training and validation frames: those given, or split off. Raises LabkitError if they cannot be split."""
        if self.valid is not None or self.split == NONE:
            return self.train, self.valid
        found = split_rows(self.train, self.part, self.split, 0)
        return parts(self.train, found, self.part, self.split, 0)

    def _fill_frames(self, change: dict) -> None:
        """All training frames that the split leaves, as before it."""
        with suppress(LabkitError):  # shown when Run is pressed
            self.frames = len(self.sets()[0])

    def _show_config(self, config: GapConfig) -> None:
        soap, pair = terms_of(config)
        for name in SOAP:
            setattr(self, name, getattr(soap, name))
        self.pair = pair is not None
        for name, key in PAIR.items():
            if pair is not None:
                setattr(self, name, getattr(pair, key))
        self.sigma_energy = config.sigma_energy
        self.use_forces, self.sigma_force = config.sigma_force is not None, config.sigma_force or 0.02
        self.use_stresses, self.sigma_virial = config.sigma_virial is not None, config.sigma_virial or 0.02
        self.e0 = _show_e0(config.e0)
        self.e0_method, self.sparse_jitter, self.seed = config.e0_method, config.sparse_jitter, config.seed

    def config(self) -> GapConfig:
        """The parameters as GapConfig; raises LabkitError if they are invalid."""
        soap, pair = terms_of(self.base)
        terms: list[Soap | Distance2b] = [replace(soap, **{name: getattr(self, name) for name in SOAP})]
        if self.pair:
            terms.append(replace(pair or Distance2b(), **{key: getattr(self, name) for name, key in PAIR.items()}))
        return self.base.replace(
            descriptors=tuple(terms),
            sigma_energy=self.sigma_energy,
            sigma_force=self.sigma_force if self.use_forces else None,
            sigma_virial=self.sigma_virial if self.use_stresses else None,
            e0=_parse_e0(self.e0),
            e0_method=self.e0_method,
            sparse_jitter=self.sparse_jitter,
            seed=self.seed,
        )

    def make_job(self) -> Job:
        (train, valid), config = self.sets(), self.config()
        if not 1 <= self.frames <= len(train):
            raise LabkitError(f"training frames is {self.frames}, expected 1 to {len(train)}")
        return Job(drawn_fits, train[: self.frames], config, valid, name="train", checkpoint=self.checkpoint)

    def present(self, result: IncrementalFit) -> None:
        self.show(parity_figure(result, self.ran.frames))
        train, valid = self.ran.sets()
        self.compare({"train": train, "valid": valid}, result.predictions)
        self.table = _table(result)
        self.note = "\n".join([*result.notes, *self.ran.cautions()])

    def cautions(self) -> list[str]:
        """What the errors do not say, for want of validation frames or because of the split."""
        if self.valid is not None:
            return []
        if self.split == NONE:
            return ["All these frames were learned: only frames left out can tell how wrong the model is for others."]
        return [leak(self.train, split_rows(self.train, self.part, self.split, 0))]

    def _update(self, job: Job) -> None:
        super()._update(job)
        ended = job.status in ("done", "stopped") and self.results is job.result  # not that of a moment before
        if ended and self.results is not None and self._recorded is not job.progress:
            self._recorded = job.progress  # the end of a run may be noticed twice
            self._record(self.results, job.seconds)

    def _record(self, fit: IncrementalFit, seconds: float) -> None:
        """A row for the tray, and the model with it; a session that cannot be written does not fail the run."""
        row = ("valid", "forces")
        found = [(n, errors.loc[row, "rmse"]) for n, errors in fit.curve if row in errors.index]
        curves = {"training frames -> validation forces RMSE [meV/Å]": tuple(zip(*found, strict=True))} if found else {}
        model = fit.model
        try:
            runs().add(
                FitRecord("train", model.config, fit.errors, model.log_evidence, seconds, fit.n_frames, curves), model
            )
        except LabkitError as error:
            self.note = f"{self.note}\n{error}".strip()

    def script(self) -> str:
        script, config, (train, valid) = Script(), self.config(), self.sets()
        script.use("labkit.gap", "Design")
        script.frames("train", train, self.frames)
        if valid is not None:
            script.frames("valid", valid)
        script.add(f"config = {script.call(config)}")
        read, stopped = (self.frames, "") if self.results is None else (self.results.n_frames, self.results.blocks)
        options = (", valid=valid" if valid is not None else "") + (f", blocks={stopped}" if stopped else "")
        why = f"  # stopped after {read} of {self.frames} frames" if stopped else ""
        script.add(f"design = Design.build(train, config{options}){why}")
        script.add("model = design.solve()", "print(design.errors(model))", 'model.save("gap.safetensors")')
        return script.text()

    def frames_used(self) -> dict[str, Dataset | None]:
        return dict(zip(("train", "valid"), self.sets(), strict=True))

    def outputs(self, result: IncrementalFit) -> dict[str, bytes]:
        model = result.model
        return {
            "gap.safetensors": file_bytes(model.save, "gap.safetensors"),
            "gap_config.cfg": model.config.text().encode(),
        }


def _show_e0(e0: Mapping[str, float] | float | None) -> str:
    if isinstance(e0, Mapping):
        return ", ".join(f"{symbol}={value!r}" for symbol, value in e0.items())
    return "" if e0 is None else repr(e0)


def _parse_e0(text: str) -> dict[str, float] | float | None:
    pairs = [item.split("=") for item in text.replace(";", ",").split(",") if item.strip()]
    try:
        if len(pairs) == 1 and len(pairs[0]) == 1:
            return float(pairs[0][0])  # of all species
        return {symbol.strip(): float(value) for symbol, value in pairs} or None
    except ValueError:
        raise LabkitError(f"e0 is {text!r}, expected energies in eV by symbol, as in H=-13.6, O=-432.1") from None


def _table(fit: IncrementalFit) -> str:
    sets, known = (fit.errors.index.get_level_values(level).unique() for level in (0, 1))
    units, rows = {name: unit for name, (unit, _) in UNITS.items() if name in known}, []
    for name, label in SET_NAMES.items():
        if name in sets:
            found = fit.errors.loc[name]
            rows.append([label, *(f"{found.loc[q, 'rmse']:.3g}" if q in found.index else "" for q in units)])
    head = [f"RMSE after {fit.n_frames} frames", *(f"{name} [{unit}]" for name, unit in units.items())]
    return html.table(head, rows)
