"""The Neural panel without a screen: settings of a network and its training, and the state of the training."""

from __future__ import annotations

import math
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import traitlets

from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.neural import NeuralConfig, Training, WatchedTraining, Weights, watch_training
from labkit.neural.networks.network import NETWORKS
from labkit.panels.kit.controls import parameter as p
from labkit.panels.kit.files import file_bytes
from labkit.panels.kit.gap_terms import CUTOFFS
from labkit.panels.kit.model import PanelModel
from labkit.panels.neural.figure import training_figure
from labkit.panels.neural.script import neural_script
from labkit.panels.neural.summary import divergence, pace, table_of
from labkit.panels.train.compared import ComparesFrames
from labkit.runs import FitRecord, runs

Float, Int, Bool, Text = traitlets.Float, traitlets.Int, traitlets.Bool, traitlets.Unicode

OF_NETWORK = ("network", "channels", "cutoff", "layers", "n_radial", "mirror", "seed")
OF_TRAINING = ("budget", "rate", "batch", "average")
RUN_AGAIN = "the network or the frames have changed; press Run to train a new one"


class NeuralModel(ComparesFrames, PanelModel):
    """Settings of a network and its training; `results` is a WatchedTraining.

    cooling  whether `cool_down` was called, so that the learning rate falls
    """

    title = "Train a neural potential"
    continue_hint = "The steps left after Stop, or another budget"

    channels = p(Int(), "basic", "channels", range=(8, 128, 8), help="features of each atom")
    cutoff = p(
        Float(), "basic", "cutoff", "Å", range=(2.0, 6.0, 0.1), limits=CUTOFFS, help="atoms send messages up to here"
    )
    layers = p(Int(), "basic", "layers", range=(0, 3, 1), limits=(0, 20), help="how often atoms exchange messages")
    rate = p(Float(), "basic", "learning rate", range=(1e-4, 1.0, 0.1), log=True, help="its largest value")
    energy_weight = p(Float(), "basic", "energy weight", range=(1e-3, 1e3, 0.25), log=True, help="in the loss")
    force_weight = p(Float(), "basic", "force weight", range=(1e-3, 1e3, 0.25), log=True, help="in the loss")
    budget = p(
        Float(), "basic", "budget", "s", range=(5.0, 300.0, 5.0), help="after 20 steps it becomes a number of steps"
    )
    frames = p(Int(), "basic", "training frames", range=(1, 1, 1), help="number used, from the first")
    network = p(Text(), "advanced", "network", options=list(NETWORKS), help="the architecture")
    n_radial = p(Int(), "advanced", "n_radial", help="radial functions")
    mirror = p(Bool(), "advanced", "mirror", help="mirror images have the same energy")
    stress_weight = p(Float(), "advanced", "stress weight", help="in the loss; 0: stresses are not learned")
    steps = p(Int(), "advanced", "steps", help="instead of the budget; 0: the budget counts")
    batch = p(Int(), "advanced", "batch", "frames", help="frames of each step")
    average = p(Float(), "advanced", "average", help="decay factor of the averaged weights, which the potential has")
    seed = p(Int(), "advanced", "seed", help="of the initial weights")
    cooling = traitlets.Bool(False)

    def __init__(
        self,
        train: Dataset,
        valid: Dataset | None = None,
        config: NeuralConfig | None = None,
        training: Training | None = None,
    ) -> None:
        super().__init__()
        if len(train) == 0:
            raise LabkitError("the training set is empty; expected at least one frame")
        self.train, self.valid = train, valid
        self.base, self.base_training = config or NeuralConfig(), training or Training(budget=20.0)
        how = self.traits()["frames"].metadata["how"]
        how["range"], how["limits"] = (1, len(train), 1), (1, len(train))
        sets = f"{len(train)} training frames" + (f", {len(valid)} validation frames" if valid is not None else "")
        colours = "Blue points are training frames; orange ones are new to the network"
        self.hint = f"{sets}. {colours}. Click a point to see its frame."
        for name in OF_NETWORK:
            setattr(self, name, getattr(self.base, name))
        for name in OF_TRAINING:
            setattr(self, name, getattr(self.base_training, name))
        self.steps, weights = self.base_training.steps or 0, self.base_training.weights
        self.energy_weight, self.force_weight, self.stress_weight = weights.energy, weights.forces, weights.stress
        self.frames = len(train)
        self._cool, self._recorded, self._rests_until = threading.Event(), None, 0.0
        self._folder = tempfile.TemporaryDirectory(prefix="labkit-training-")

    def config(self) -> NeuralConfig:
        """The network's parameters as NeuralConfig; raises LabkitError if they are invalid."""
        return self.base.replace(**{name: getattr(self, name) for name in OF_NETWORK})

    def training(self) -> Training:
        """The training's parameters as Training; raises LabkitError if they are invalid."""
        for name in ("energy", "force", "stress"):
            if not 0 <= getattr(self, f"{name}_weight") < math.inf:
                raise LabkitError(f"{name} weight is {getattr(self, f'{name}_weight'):g}, expected 0 or more")
        weights = Weights(self.energy_weight, self.force_weight, self.stress_weight)
        values = {name: getattr(self, name) for name in OF_TRAINING}
        return replace(self.base_training, **values, steps=self.steps or None, weights=weights)

    def used(self) -> Dataset:
        """The training frames that are used."""
        return self.train[: self.frames]

    def make_job(self) -> Job:
        config, training = self.config(), self.training()
        if not 1 <= self.frames <= len(self.train):
            raise LabkitError(f"training frames is {self.frames}, expected 1 to {len(self.train)}")
        before: WatchedTraining | None = self.results if self.continuing else None
        if before is not None and (self.ran.config() != config or self.ran.frames != self.frames):
            raise LabkitError(RUN_AGAIN)
        checkpoint = Path(self._folder.name) / "training.safetensors"
        if before is None or not before.resumes(training):
            checkpoint.unlink(missing_ok=True)
        self._cool, self.cooling = threading.Event(), False
        return Job(
            watch_training, self.used(), config, self.valid, training, name="neural", after=before,
            checkpoint=checkpoint, cool_down=self._cool.is_set,
        )  # fmt: skip

    def cool_down(self) -> None:
        """Let the learning rate fall from now on; the training ends soon."""
        self._cool.set()
        self.cooling = True

    def present(self, result: WatchedTraining) -> None:
        """Draw; during a training for at most a fifth of the time, because both need the same processor."""
        running = self.job is not None and self.job.status == "running"
        if running and time.monotonic() < self._rests_until:
            return
        began = time.monotonic()
        self.show(training_figure(result))
        self._rests_until = time.monotonic() + 4 * (time.monotonic() - began)
        if result.predictions:  # after the first measurement
            self.compare({"train": self.ran.used(), "valid": self.valid}, result.predictions)
        self.table = table_of(result)
        self.note = "\n".join(filter(None, [divergence(result), pace(result)]))

    def script(self) -> str:
        return neural_script(self)

    def frames_used(self) -> dict[str, Dataset | None]:
        return {"train_frames": self.train, "valid_frames": self.valid}

    def outputs(self, result: WatchedTraining) -> dict[str, bytes]:
        rows = ["step,loss,rate", *(f"{k},{loss!r},{rate!r}" for k, loss, rate in self._steps(result)), ""]
        return {
            "neural.safetensors": file_bytes(result.potential.save, "neural.safetensors"),
            "training.csv": "\n".join(rows).encode(),
        }

    def _steps(self, result: WatchedTraining) -> list[tuple[int, float, float]]:
        rates = result.rates.tolist()
        return [(k, loss, rate) for k, (loss, rate) in enumerate(zip(result.losses, rates, strict=False), 1)]

    def _update(self, job: Job) -> None:
        super()._update(job)
        ended = job.status in ("done", "stopped") and self.results is job.result
        if ended and self.results is not None and self._recorded is not job.progress:
            self._recorded = job.progress  # the end of a run may be noticed twice
            self._record(self.results, job.seconds)

    def _record(self, found: WatchedTraining, seconds: float) -> None:
        """Add the run and its model to the tray; if the session cannot be written, the run does not fail."""
        steps, values = found.curve("valid", "forces")
        curves = {"step -> validation forces RMSE [meV/Å]": (steps.tolist(), values.tolist())} if len(steps) else {}
        record = FitRecord("neural", found.potential.config, found.errors, None, seconds, self.ran.frames, curves)
        try:
            if len(found.errors):
                runs().add(record, found.potential)
        except LabkitError as error:
            self.note = f"{self.note}\n{error}".strip()
