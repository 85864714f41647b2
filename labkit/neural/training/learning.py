"""Learning curves of neural potentials: one training for each number of frames."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import labkit
from labkit.base import NO_PROGRESS, Progress
from labkit.datasets import Dataset
from labkit.errors import Stopped
from labkit.gap.learning import LearningCurve
from labkit.gap.metrics import predict, table
from labkit.neural.config import NeuralConfig
from labkit.neural.training.settings import Training
from labkit.neural.training.start import untrained
from labkit.neural.training.train import train


@dataclass(frozen=True)
class _Task:
    """The data and settings that all trainings of a curve share."""

    data: Dataset
    config: NeuralConfig
    validation: Dataset | None
    training: Training
    progress: Progress = NO_PROGRESS


def neural_learning_curve(
    data: Dataset,
    config: NeuralConfig,
    validation: Dataset | None = None,
    training: Training | None = None,
    *,
    progress: Progress = NO_PROGRESS,
    **options: Any,
) -> Iterator[LearningCurve]:
    """Yield a LearningCurve after each training; all trainings have the same number of steps, or the same budget.

    options  sizes, repeats, seed, client, checkpoint and only, as in `LearningCurve.grow`

    Each training starts from new weights. With a budget of seconds the number of steps depends on the machine, and so
    does the curve; with a number of steps it does not.

    >>> from labkit.datasets import ice
    >>> from labkit.neural import NeuralConfig, Training
    >>> frames, small = ice("train", n=50), NeuralConfig(channels=8, cutoff=3.0)
    >>> *_, curve = neural_learning_curve(frames[:8], small, frames[8:10], Training(steps=3), sizes=[4, 8], repeats=2)
    >>> curve.summary().loc[("valid", "forces"), "fits"].tolist()
    [2, 1]
    """
    training = training or Training()
    mark = curve_mark(data, config, validation, training, options.get("seed", 0))
    here = options.get("client") is None  # workers in other processes cannot reach this progress
    task = _Task(data, config, validation, training, progress if here else NO_PROGRESS)
    yield from LearningCurve.of_fits(one_training, task, config, mark, len(data), progress=progress, **options)


def one_training(task: _Task, frames: Sequence[int]) -> tuple[list[dict[str, Any]], float]:
    """Rows of the table for the training with these frames, and the seconds it took."""
    began, data = time.monotonic(), task.data[list(frames)]
    potential = untrained(data, task.config)
    try:
        train(potential, data, task.validation, task.training, progress=_Asked(task.progress))
    except Stopped as stop:
        raise Stopped("stopped during a training") from stop  # an unfinished training is not a point of the curve
    sets = {"train": data} | ({} if task.validation is None else {"valid": task.validation})
    found = table({name: predict(potential, each) for name, each in sets.items()})
    plain = found.reset_index().to_dict("records")
    rows = [{k: v.item() if isinstance(v, np.generic) else v for k, v in row.items()} for row in plain]
    return [{**row, "log_evidence": None} for row in rows], time.monotonic() - began


def curve_mark(
    data: Dataset, config: NeuralConfig, validation: Dataset | None, training: Training, seed: int = 0
) -> str:
    """Hash of everything that the trainings of a curve depend on."""
    parts = [config.to_dict(), training.to_dict(), data.hash, None if validation is None else validation.hash, seed]
    return hashlib.sha256(json.dumps([*parts, labkit.__version__], sort_keys=True).encode()).hexdigest()


class _Asked(Progress):
    """Asks another progress whether to stop, and reports nothing to it."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def should_stop(self) -> bool:
        return self.progress.should_stop()
