"""Training: the settings with which a neural potential is fitted, and Trained, the result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from labkit.errors import LabkitError
from labkit.neural.potential import NeuralPotential
from labkit.neural.priors import WithPrior
from labkit.neural.training.frames import Batch
from labkit.neural.training.loss import BatchPrediction, Weights
from labkit.neural.training.plan import Plan


@dataclass(frozen=True)
class Training:
    """Settings of a training.

    budget     seconds; after 20 timed steps it becomes a number of steps
    steps      number of steps, instead of a budget: the result does not depend on the speed of the machine
    plan       steps and rates in full, instead of both: the plan of a Trained repeats its training
    batch      frames in a step
    rate       largest learning rate
    optimiser  'muon', which orthogonalises the steps of matrices, or 'adamw'
    weights    of energies, forces and stresses in the loss
    average    decay factor of the exponential moving average of the weights, which the trained potential has
    averaging  'ema', as above, or 'swa': the rate stays constant in the last part of the steps, and the potential has
               the mean of all weights there (stochastic weight averaging, Izmailov et al., arXiv:1803.05407)
    snapshots  number of copies of the weights, not averaged, that are kept at the full rate, for their spread
    freeze     parts of the network that keep their weights, such as ('radial', 'layers.0'), or 'all but the last layer'
    replay_share  fraction of old frames in an epoch, if some are given
    clip       largest norm of the loss's gradient
    cool_down  last fraction of the steps, in which the rate falls to zero
    seed       of the order of frames, and of dropout

    Raises LabkitError for a value that is out of range.
    """

    budget: float = 60.0
    steps: int | None = None
    batch: int = 8
    rate: float = 3e-3
    weights: Weights = field(default_factory=Weights)
    average: float = 0.99
    averaging: str = "ema"
    snapshots: int = 0
    freeze: tuple[str, ...] = ()
    replay_share: float = 0.5
    optimiser: str = "muon"
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
        object.__setattr__(self, "freeze", (self.freeze,) if isinstance(self.freeze, str) else tuple(self.freeze))
        if self.averaging not in ("ema", "swa"):
            raise LabkitError(f"averaging is {self.averaging!r}; expected 'ema' or 'swa'")
        if self.optimiser not in ("muon", "adamw"):
            raise LabkitError(f"optimiser is {self.optimiser!r}; expected 'muon' or 'adamw'")
        if not 0 <= self.replay_share < 1:
            raise LabkitError(f"replay_share is {self.replay_share:g}; expected a part of an epoch, from 0 and below 1")
        if self.snapshots < 0:
            raise LabkitError(f"snapshots is {self.snapshots}; expected 0 or more")
        if self.batch < 1:
            raise LabkitError(f"batch is {self.batch}; expected at least 1 frame")
        if not 0 <= self.average < 1 or not 0 <= self.cool_down <= 1:
            raise LabkitError("average and cool_down are parts of one: expected 0 to 1")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Trained:
    """The result of a training, or of a part of it.

    potential  with the averaged weights; with a prior, the sum of both
    history    one row for each measurement: step, seconds, rate, and the errors of training and validation frames
    plan       steps and rates, as carried out
    snapshots  potentials with weights of several steps, if requested; their spread is that of `Committee(snapshots)`
    losses     loss of each step, (steps,)
    found      {'train': ..., 'valid': ...}: batches and their predictions, of the last measurement
    """

    potential: NeuralPotential | WithPrior
    history: tuple[dict[str, float], ...]
    plan: Plan
    snapshots: tuple[NeuralPotential | WithPrior, ...] = ()
    losses: tuple[float, ...] = ()
    found: Mapping[str, Sequence[tuple[Batch, BatchPrediction]]] = field(default_factory=dict)
