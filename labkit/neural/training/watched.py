"""WatchedTraining: the state of a training, with its curves, predictions and errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from labkit.gap.metrics import UNITS, table
from labkit.neural.potential import NeuralPotential
from labkit.neural.training.settings import Training

UNKNOWN = 10**9  # steps of a training that are not planned yet


@dataclass(frozen=True, eq=False)
class WatchedTraining:
    """A training, or several in sequence, up to the present step.

    potential    with the averaged weights of the last measurement; at the end, the trained one
    start        the potential with which the last training began
    trainings    settings with plans: `train` with each of them, in this order, reproduces `potential`
    history      rows of all trainings, with steps counted over all of them
    losses       loss of each step
    predictions  {'train': ..., 'valid': ...} as in Design.predictions; NaN for frames without predictions
    errors       of these predictions, as in Design.errors
    """

    potential: NeuralPotential
    start: NeuralPotential
    trainings: tuple[Training, ...] = ()
    history: tuple[dict[str, float], ...] = ()
    losses: tuple[float, ...] = ()
    predictions: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    errors: pd.DataFrame = field(default_factory=lambda: table({}))

    @property
    def steps(self) -> int:
        """The number of steps taken."""
        return len(self.losses)

    @property
    def planned(self) -> int:
        """The number of steps planned; while this is unknown, the number taken."""
        ends = [one.plan.steps if one is self.trainings[-1] else one.plan.end for one in self.trainings]
        return sum(ends) if ends and ends[-1] < UNKNOWN else self.steps

    @property
    def rates(self) -> np.ndarray:
        """The learning rate of each step."""
        found = [one.rate * one.plan.rate(step) for one in self.trainings for step in range(one.plan.end)]
        return np.array(found[: self.steps])

    @property
    def without_last(self) -> WatchedTraining:
        """Without the curves of the last training."""
        before = self.trainings[:-1]
        steps = sum(one.plan.end for one in before)
        rows = tuple(row for row in self.history if row["step"] <= steps)
        return replace(self, trainings=before, history=rows, losses=self.losses[:steps])

    def resumes(self, settings: Training) -> bool:
        """Whether a training with these settings resumes the last one, which was stopped."""
        last = self.trainings[-1] if self.trainings else None
        return last is not None and last.plan.last is not None and replace(last, plan=settings.plan) == settings

    def curve(self, which: str, quantity: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps, and the RMSE [meV/atom, meV/Å, GPa] of the 'train' or 'valid' frames, where it is known."""
        key, scale = f"{which} {quantity}", UNITS[quantity][1]
        found = [(row["step"], scale * row[key]) for row in self.history if math.isfinite(row.get(key, math.nan))]
        return tuple(np.array(found).reshape(-1, 2).T)  # type: ignore[return-value]
