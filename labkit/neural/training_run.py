"""TrainingRun: a training under way, step by step."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from labkit.base import Progress
from labkit.datasets import Dataset, DatasetWarning
from labkit.datasets.placeholders import without_placeholders
from labkit.errors import LabkitError, Stopped
from labkit.neural.checkpoint import TrainingCheckpoint
from labkit.neural.frames import TrainingFrames
from labkit.neural.history import History
from labkit.neural.plan import Plan, order_of
from labkit.neural.potential import NeuralPotential
from labkit.neural.training import Trained, Training

TIMED = 20  # steps whose time decides how many there are
COMPILED = 5  # of these come first and are not timed: they compile
SHARE = 0.15  # of the budget, for measuring errors


class TrainingRun:
    """A training under way."""

    def __init__(
        self,
        potential: NeuralPotential,
        data: Dataset,
        validation: Dataset | None,
        training: Training,
        checkpoint: str | os.PathLike[str] | None,
        save_every: float,
        progress: Progress,
        cool_down: Callable[[], bool],
    ) -> None:
        if not len(data):
            raise LabkitError(f"{data.name or 'training data'}: has no frames; give at least one")
        self.started = time.perf_counter()
        self.potential, self.network, self.training = potential, potential.network, training
        self.progress, self.asked, self.save_every = progress, cool_down, save_every
        self.frames = TrainingFrames(_labelled(data), potential)
        has_validation = validation is not None and len(validation)
        self.validation = TrainingFrames(_labelled(validation), potential) if has_validation else None
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(self.parameters, lr=training.rate, weight_decay=0.0)
        self.average = [p.detach().clone() for p in self.parameters]
        self.step, self.spent, self.timed = 0, 0.0, 0.0
        self.plan: Plan | None = None if training.steps is None else Plan.of(training.steps, training.cool_down)
        self.history = History()
        if training.batch > len(data):
            warnings.warn(
                f"a batch of {training.batch} frames, but there are {len(data)}; all of them are used",
                DatasetWarning,
                3,
            )
        self.batch = min(training.batch, len(data))
        self.per_epoch = math.ceil(len(data) / self.batch)
        self.epoch, self.order = -1, np.zeros(0, np.int64)
        self.checkpoint = None if checkpoint is None else TrainingCheckpoint(checkpoint, self)
        if self.checkpoint is not None:
            self.checkpoint.resume(self)
        self.written = time.perf_counter()

    def to_the_end(self) -> Trained:
        looks: list[int] = [] if self.plan is None else self.plan.looks()
        while self.plan is None or self.step < self.plan.steps:
            if self.progress.should_stop():
                self._save()
                raise Stopped("the training was stopped", self._result())
            if self.plan is not None and self.asked() and self.step < self.plan.cooling:
                self.plan = self.plan.cooled_from(self.step)
                looks = self.plan.looks()
            self._one_step()
            if self.plan is None and self.step >= TIMED:
                self.plan = self._planned()
                looks = self.plan.looks()
            if self.step in looks and self.step != self.history.last:
                self._measure()
            if self.checkpoint is not None and time.perf_counter() - self.written > self.save_every:
                self._save()
        self._save()
        return self._result()

    def _planned(self) -> Plan:
        """As many steps as the rest of the budget has time for."""
        before = time.perf_counter()
        self._measure()
        look = time.perf_counter() - before
        budget = self.training.budget
        measured = int(min(24, max(3, SHARE * budget / look)))
        left = budget - (time.perf_counter() - self.started) - measured * look
        each = self.timed / (TIMED - COMPILED)
        return Plan.of(max(2 * TIMED, self.step + int(left / each)), self.training.cool_down, measured)

    def _one_step(self) -> None:
        before = time.perf_counter()
        epoch, place = divmod(self.step, self.per_epoch)
        if epoch != self.epoch:
            self.epoch, self.order = epoch, order_of(len(self.frames), self.training.seed, epoch)
        which = self.order[place * self.batch : (place + 1) * self.batch]
        rate = Plan(10**9, 10**9) if self.plan is None else self.plan
        for group in self.optimiser.param_groups:
            group["lr"] = self.training.rate * rate.rate(self.step)
        self.optimiser.zero_grad()
        loss = self.training.weights.loss(self.network, self.frames.batch(which))
        if not bool(torch.isfinite(loss)):
            self._diverged(which)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.training.clip)
        self.optimiser.step()
        memory = min(self.training.average, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - memory)
        self.step += 1
        if COMPILED < self.step <= TIMED:
            self.timed += time.perf_counter() - before

    def _diverged(self, which: np.ndarray) -> None:
        frame = next(
            (
                int(k)
                for k in which
                if not bool(torch.isfinite(self.training.weights.loss(self.network, self.frames.batch([k]))))
            ),
            int(which[0]),
        )
        self.use(self.reached)
        raise LabkitError(
            f"{self.frames.data.name or 'training data'}, frame {frame}: the loss is not finite at step {self.step}; "
            "the potential has its last good weights. Use a smaller learning rate, or look at that frame's labels"
        )

    def _measure(self) -> None:
        """Errors with the averaged weights."""
        now = [p.detach().clone() for p in self.parameters]
        self.use(self.average)
        found = self.history.measure(self)
        self.use(now)
        total = self.plan.steps if self.plan is not None else max(self.step, 10 * TIMED)
        self.progress.update(self.step, total, **{k: v for k, v in found.items() if k != "step"})

    @property
    def seconds(self) -> float:
        return self.spent + time.perf_counter() - self.started

    def use(self, weights: list[Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.parameters, weights, strict=True):
                parameter.copy_(value)

    def _save(self) -> None:
        if self.checkpoint is not None and self.plan is not None:  # without a plan it begins again, and is timed again
            self.checkpoint.write(self)
            self.written = time.perf_counter()

    @property
    def reached(self) -> list[Tensor]:
        """The best averaged weights so far."""
        return self.average if self.history.best is None else self.history.best

    def _result(self) -> Trained:
        self.use(self.reached)
        self.potential.metadata |= {
            "training": self.training.to_dict(),
            "data": self.frames.data.hash,
            "steps": self.step,
        }
        plan = self.plan or Plan.of(max(1, self.step))
        return Trained(self.potential, tuple(self.history.rows), plan)


def _labelled(frames: Dataset) -> Dataset:
    """The frames with placeholders taken as missing labels, which is said."""
    clean, notes = without_placeholders(frames)
    for note in notes:
        warnings.warn(f"{frames.name or 'training data'}: {note}", DatasetWarning, stacklevel=4)
    return clean
