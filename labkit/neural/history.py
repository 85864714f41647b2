"""History: errors measured on the way of a training, and the best weights among them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor

from labkit.neural.errors import errors, mean_loss

if TYPE_CHECKING:
    from labkit.neural.training_run import TrainingRun

SHOWN = 200  # training frames whose errors are measured


class History:
    """One row for each measurement, of validation, training and old frames.

    best  the averaged weights of the measurement with the smallest `loss`
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.best: list[Tensor] | None = None
        self.loss = math.inf

    @property
    def last(self) -> float | None:
        """The step of the last measurement."""
        return self.rows[-1]["step"] if self.rows else None

    def measure(self, run: TrainingRun) -> dict[str, float]:
        """Add the errors of a potential with its averaged weights; those of validation frames, if any, decide."""
        sets = run.sets
        of = {} if sets.validation is None else {"valid": errors(run.potential, sets.validation)}
        of["train"] = errors(run.potential, sets.frames, SHOWN, last=sets.new)
        if len(sets.frames) > sets.new:
            of["old"] = errors(run.potential, sets.frames, SHOWN, first=sets.new)
        row: dict[str, float] = {"step": run.step, "seconds": run.seconds}
        for name, e in of.items():
            row |= {f"{name} energy": e.energy, f"{name} forces": e.forces, f"{name} stress": e.stress}
        if run.potential.network.head.squares:
            loss = next(iter(of.values())).loss(run.training.weights, float(run.potential.scale))
        else:
            frames, last = (sets.frames, sets.new) if sets.validation is None else (sets.validation, None)
            loss = mean_loss(run.potential, frames, run.training, SHOWN, last)
        if loss < self.loss:
            self.loss, self.best = loss, [p.clone() for p in run.weights.average]
        self.rows.append(row)
        return row
