"""History: errors measured on the way of a training, and the best weights among them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor

from labkit.neural.errors import errors

if TYPE_CHECKING:
    from labkit.neural.training_run import TrainingRun

SHOWN = 200  # training frames whose errors are measured


class History:
    """One row for each measurement; `best` are the averaged weights of the one with the smallest `loss`."""

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
        of = {} if run.validation is None else {"valid": errors(run.potential, run.validation)}
        of["train"] = errors(run.potential, run.frames, SHOWN)
        row: dict[str, float] = {"step": run.step, "seconds": run.seconds}
        for name, e in of.items():
            row |= {f"{name} energy": e.energy, f"{name} forces": e.forces, f"{name} stress": e.stress}
        loss = next(iter(of.values())).loss(run.training.weights, float(run.potential.scale))
        if loss < self.loss:
            self.loss, self.best = loss, [p.clone() for p in run.average]
        self.rows.append(row)
        return row
