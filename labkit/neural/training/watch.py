"""watch_training(): a training that reports its progress continuously."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from labkit.base import NO_PROGRESS, Progress
from labkit.datasets import Dataset
from labkit.datasets.structures import atoms_of
from labkit.errors import Stopped
from labkit.gap.metrics import predict, table, truth
from labkit.neural.config import NeuralConfig
from labkit.neural.potential import NeuralPotential
from labkit.neural.training.frames import Batch
from labkit.neural.training.loss import BatchPrediction
from labkit.neural.training.settings import Trained, Training
from labkit.neural.training.start import untrained
from labkit.neural.training.train import train
from labkit.neural.training.watched import UNKNOWN, WatchedTraining

MOST = 200  # training frames whose errors are reported
UNPLANNED = 200  # total steps, until their number is known


def watch_training(
    data: Dataset,
    config: NeuralConfig,
    validation: Dataset | None = None,
    training: Training | None = None,
    *,
    after: WatchedTraining | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    cool_down: Callable[[], bool] = lambda: False,
    progress: Progress = NO_PROGRESS,
) -> WatchedTraining:
    """Train a new potential, or that of an earlier training; report a WatchedTraining throughout.

    after       an earlier training, whose potential is trained. With the same settings, a training that was stopped is
                resumed from the checkpoint
    checkpoint  a file, as in `train`

    Raises Stopped with the training so far. If the loss is not finite, the last report has its curve.

    >>> from labkit.datasets import ice
    >>> from labkit.neural import NeuralConfig, Training
    >>> frames = ice("train", n=50)
    >>> found = watch_training(frames[:8], NeuralConfig(channels=8, cutoff=3.0), frames[8:12], Training(steps=4))
    >>> found.steps, found.errors.loc[("valid", "forces"), "unit"]
    (4, 'meV/Å')
    """
    settings = training or Training()
    watch = _Watch(data, validation, settings, after or _untrained(data, config), progress)
    try:
        trained = train(
            watch.potential, data, validation, settings,
            checkpoint=checkpoint, cool_down=cool_down, progress=watch, watch=watch.watch,
        )  # fmt: skip
    except Stopped as stop:
        raise Stopped("the training was stopped", watch.ended(stop.partial)) from stop
    return watch.ended(trained)


def shown(data: Dataset) -> int:
    """The interval between the training frames whose errors are reported."""
    return max(1, math.ceil(len(data) / MOST))


def _untrained(data: Dataset, config: NeuralConfig) -> WatchedTraining:
    potential = untrained(data, config)
    return WatchedTraining(potential, potential)


class _Watch(Progress):
    """The link from `train` to a progress: each report has a WatchedTraining."""

    def __init__(
        self,
        data: Dataset,
        validation: Dataset | None,
        settings: Training,
        after: WatchedTraining,
        progress: Progress,
    ) -> None:
        self.sets = {"train": data} | ({} if validation is None else {"valid": validation})
        self.settings, self.progress, self.latest = settings, progress, after
        self.before = after.without_last if after.resumes(settings) else after
        self.start = after.start if after.resumes(settings) else after.potential
        self.potential = copy.deepcopy(self.start)
        self.measured = -1.0  # the step of the last measurement

    def should_stop(self) -> bool:
        return self.progress.should_stop()

    def update(self, step: float, total: float, **metrics: Any) -> None:
        self.progress.update(step, total, **metrics, result=self.latest)

    def watch(self, found: Trained) -> None:
        """Update the curves, and after a measurement the potential and predictions as well."""
        before, done = self.before, self.before.steps
        rows = tuple(row | {"step": row["step"] + done} for row in found.history)
        self.latest = replace(
            self.latest, start=self.start, trainings=(*before.trainings, replace(self.settings, plan=found.plan)),
            history=(*before.history, *rows), losses=(*before.losses, *found.losses),
        )  # fmt: skip
        if found.found and found.history[-1]["step"] != self.measured:
            self.measured = found.history[-1]["step"]
            sets = {name: self._predicted(name, parts) for name, parts in found.found.items()}
            self._take(copy.deepcopy(found.potential), sets)
        known = found.plan.steps < UNKNOWN
        self.update(len(found.losses), found.plan.steps if known else max(len(found.losses), UNPLANNED))

    def ended(self, trained: Trained) -> WatchedTraining:
        """The training with its final potential and errors."""
        self.watch(trained)
        if self.latest.history:
            sets = {name: (np.arange(0, len(data), self.every(name)), data) for name, data in self.sets.items()}
            found = {name: (rows, predict(trained.potential, data[rows])) for name, (rows, data) in sets.items()}
            self._take(trained.potential, found)
        return self.latest

    def every(self, name: str) -> int:
        return shown(self.sets[name]) if name == "train" else 1

    def _take(self, potential: NeuralPotential, found: dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]) -> None:
        wrong = table({name: found[name][1] for name in self.sets})
        whole = {name: _whole(*found[name], self.sets[name]) for name in self.sets}
        self.latest = replace(self.latest, potential=potential, errors=wrong, predictions=whole)

    def _predicted(
        self, name: str, parts: Sequence[tuple[Batch, BatchPrediction]]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Numbers of the frames, and their predictions in eV and eV/Å."""
        potential, rows = self.potential, np.concatenate([batch.frames for batch, _ in parts])
        data, scale = self.sets[name][rows], float(potential.scale)
        lone = [potential.e0[batch.species] for batch, _ in parts]
        energy = scale * torch.cat([found.energy.detach().double() for _, found in parts])
        frame = torch.repeat_interleave(torch.arange(len(rows)), torch.as_tensor(data.counts))
        forces = scale * torch.cat([found.forces.detach().double() for _, found in parts])
        values = {"energy": energy.index_add(0, frame, torch.cat(lone)).numpy(), "forces": forces.numpy()}
        return rows, values | {k: v for k, v in truth(data).items() if k != "stress_true"}


def _whole(rows: np.ndarray, values: dict[str, np.ndarray], data: Dataset) -> dict[str, np.ndarray]:
    """Values for all frames, from those of some; NaN for the others."""
    if len(rows) == len(data):
        return values
    atoms, found = atoms_of(rows, data.offsets), {"counts": data.counts}
    for name in ("energy", "forces"):
        for key in (name, f"{name}_true"):
            known = values[key]
            found[key] = np.full((len(data) if name == "energy" else int(data.offsets[-1]), *known.shape[1:]), np.nan)
            found[key][rows if name == "energy" else atoms] = known
    return found
