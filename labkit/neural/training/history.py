"""History: errors measured during a training, and the best weights so far."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor

from labkit.neural.training.errors import errors_of, mean_loss, predictions
from labkit.neural.training.frames import Batch
from labkit.neural.training.loss import BatchPrediction

if TYPE_CHECKING:
    from labkit.neural.training.run import TrainingRun

SHOWN = 200  # training frames whose errors are measured


class History:
    """One row for each measurement, of validation, training and old frames.

    best         the averaged weights at the measurement with the smallest `loss`
    predictions  of the last measurement, by set
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.best: list[Tensor] | None = None
        self.loss = math.inf
        self.predictions: dict[str, list[tuple[Batch, BatchPrediction]]] = {}

    @property
    def last(self) -> float | None:
        """The step of the last measurement."""
        return self.rows[-1]["step"] if self.rows else None

    def measure(self, run: TrainingRun) -> dict[str, float]:
        """Add the errors of a potential with its averaged weights. Validation frames, if any, decide which are best."""
        sets, scale = run.sets, float(run.potential.scale)
        parts = {} if sets.validation is None else {"valid": (sets.validation, None)}
        parts["train"] = (sets.frames, SHOWN, 0, sets.new)
        if len(sets.frames) > sets.new:
            parts["old"] = (sets.frames, SHOWN, sets.new)
        self.predictions = {name: predictions(run.potential, *part) for name, part in parts.items()}
        of = {name: errors_of(found, parts[name][0], scale) for name, found in self.predictions.items()}
        row: dict[str, float] = {"step": run.step, "seconds": run.seconds}
        for name, e in of.items():
            row |= {f"{name} energy": e.energy, f"{name} forces": e.forces, f"{name} stress": e.stress}
        if run.potential.network.head.squares:
            loss = next(iter(of.values())).loss(run.training.weights, scale)
        else:
            frames, last = (sets.frames, sets.new) if sets.validation is None else (sets.validation, None)
            loss = mean_loss(run.potential, frames, run.training, SHOWN, last)
        if loss < self.loss:
            self.loss, self.best = loss, [p.clone() for p in run.weights.average]
        self.rows.append(row)
        return row
