"""Training: the settings with which a neural potential is fitted, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from labkit.errors import LabkitError
from labkit.neural.frames import Batch
from labkit.neural.loss import BatchPrediction, Weights
from labkit.neural.plan import Plan
from labkit.neural.potential import NeuralPotential


@dataclass(frozen=True)
class Training:
    """Settings of a training.

    budget     s: after 20 timed steps it becomes a number of steps
    steps      their number, instead of a budget: the same result whatever the speed of the machine
    plan       steps and rates in full, instead of both: that of a Trained repeats its training
    batch      frames of a step
    rate       largest learning rate of AdamW
    weights    of energies, forces and stresses in the loss
    average    memory of the weights' exponential moving average, of which the trained potential is made
    clip       largest norm of the loss's gradient
    cool_down  the last part of the steps, in which the rate falls to zero
    seed       of the order of frames

    Raises LabkitError for a value that is out of range.
    """

    budget: float = 60.0
    steps: int | None = None
    batch: int = 8
    rate: float = 3e-3
    weights: Weights = field(default_factory=Weights)
    average: float = 0.99
    clip: float = 10.0
    cool_down: float = 0.4
    seed: int = 0
    plan: Plan | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise LabkitError(f"steps is {self.steps}; expected at least 1")
        for name, low, high in (("budget", 0, 1e7), ("rate", 0, 10), ("clip", 0, math.inf)):
            value = getattr(self, name)
            if not low < value <= high:
                raise LabkitError(f"{name} is {value:g}; expected more than {low:g}, at most {high:g}")
        if self.batch < 1:
            raise LabkitError(f"batch is {self.batch}; expected at least 1 frame")
        if not 0 <= self.average < 1 or not 0 <= self.cool_down <= 1:
            raise LabkitError("average and cool_down are parts of one: expected 0 to 1")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Trained:
    """The result of a training, or of a part of it.

    potential  with the averaged weights
    history    one row for each measurement: step, seconds, rate, and the errors of training and validation frames
    plan       steps and rates, as finished
    losses     of each step, (steps,)
    found      {'train': ..., 'valid': ...}: batches and their predictions, of the last measurement
    """

    potential: NeuralPotential
    history: tuple[dict[str, float], ...]
    plan: Plan
    losses: tuple[float, ...] = ()
    found: Mapping[str, Sequence[tuple[Batch, BatchPrediction]]] = field(default_factory=dict)
