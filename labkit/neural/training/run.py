"""TrainingRun: a running training, step by step."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from labkit.base import Progress
from labkit.errors import LabkitError, Stopped
from labkit.neural.training.batch_order import Batches
from labkit.neural.training.checkpoint import TrainingCheckpoint
from labkit.neural.training.data import Sets
from labkit.neural.training.history import History
from labkit.neural.training.muon import Muon, matrices_of
from labkit.neural.training.plan import Plan
from labkit.neural.training.settings import Trained, Training
from labkit.neural.training.trained_weights import TrainedWeights

TIMED = 20  # steps whose time determines the number of steps
COMPILED = 5  # the first of these, which compile and are not timed
SHARE = 0.15  # of the budget, for measuring errors
TOLD = 0.25  # s between two calls of `watch`


class TrainingRun:
    """A running training."""

    def __init__(
        self,
        sets: Sets,
        training: Training,
        checkpoint: str | os.PathLike[str] | None,
        save_every: float,
        progress: Progress,
        cool_down: Callable[[], bool],
        watch: Callable[[Trained], None],
        started: float,
    ) -> None:
        self.started = started
        self.sets, self.training = sets, training
        self.potential = sets.potential
        self.progress, self.asked, self.watch, self.save_every = progress, cool_down, watch, save_every
        self.weights = TrainedWeights(self.potential, training)
        matrices = matrices_of(self.potential.network) if training.optimiser == "muon" else []
        self.optimiser = Muon(self.weights.parameters, matrices, training.rate)
        self.batches = Batches(sets.frames, sets.new, training)
        self.step, self.spent = 0, 0.0
        self.timed: list[float] = []  # s, of the first steps
        self.plan = training.plan
        if self.plan is None and training.steps is not None:
            looks = min(24, max(3, training.steps // 40))  # or short trainings would mostly measure
            self.plan = self._plan(training.steps, looks)
        self.history = History()
        self.losses: list[float] = []
        self.checkpoint = None if checkpoint is None else TrainingCheckpoint(checkpoint, self)
        if self.checkpoint is not None:
            self.checkpoint.resume(self)
        self.written = self.told = time.perf_counter()

    def to_the_end(self) -> Trained:
        self.weights.freeze(True)
        try:
            return self._to_the_end()
        finally:
            self.weights.freeze(False)

    def _to_the_end(self) -> Trained:
        looks: list[int] = [] if self.plan is None else self.plan.looks()
        while self.plan is None or self.step < self.plan.end:
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
            elif time.perf_counter() - self.told > TOLD:
                self._tell()
            if self.checkpoint is not None and time.perf_counter() - self.written > self.save_every:
                self._save()
        self._save()
        return self._result()

    def _plan(self, steps: int, measured: int = 24) -> Plan:
        return Plan.of(steps, self.training.cool_down, measured, falls=self.training.averaging == "ema")

    def _planned(self) -> Plan:
        """The number of steps for which the rest of the budget is enough."""
        before = time.perf_counter()
        self._measure()
        look = time.perf_counter() - before
        budget = self.training.budget
        measured = int(min(24, max(3, SHARE * budget / look)))
        left = budget - (time.perf_counter() - self.started) - measured * look
        each = statistics.median(self.timed)  # one that other processes held up says nothing about the others
        return self._plan(max(2 * TIMED, self.step + int(left / each)), measured)

    def _one_step(self) -> None:
        before = time.perf_counter()
        rate = Plan(10**9, 10**9) if self.plan is None else self.plan
        for group in self.optimiser.param_groups:
            group["lr"] = self.training.rate * rate.rate(self.step)
        self.optimiser.zero_grad()
        loss = self.batches.loss(self.step)
        self.losses.append(float(loss.detach()))
        if not math.isfinite(self.losses[-1]):
            self.weights.use(self.reached)
            self._tell()
            raise LabkitError(
                f"{self.sets.locate(self.batches.culprit(self.step))}: the loss is not finite at step {self.step}; the "
                "potential has its last good weights. Use a smaller learning rate, or look at that frame's labels"
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights.parameters, self.training.clip)
        self.optimiser.step()
        self.weights.follow(self.step, self.plan)
        self.step += 1
        if COMPILED < self.step <= TIMED:
            self.timed.append(time.perf_counter() - before)

    def _measure(self) -> None:
        """Measure the errors with the averaged weights."""
        now = [p.detach().clone() for p in self.weights.parameters]
        self.weights.use(self.weights.average)
        found = self.history.measure(self)
        self._tell()
        self.weights.use(now)
        total = self.plan.end if self.plan is not None else max(self.step, 10 * TIMED)
        self.progress.update(self.step, total, **{k: v for k, v in found.items() if k != "step"})

    def _tell(self) -> None:
        self.watch(self._so_far())
        self.told = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self.spent + time.perf_counter() - self.started

    def _save(self) -> None:
        if self.checkpoint is not None and self.plan is not None:  # otherwise it starts and is timed again
            self.checkpoint.write(self)
            self.written = time.perf_counter()

    @property
    def reached(self) -> list[Tensor]:
        """The best averaged weights so far."""
        return self.weights.average if self.history.best is None else self.history.best

    def _result(self) -> Trained:
        self.weights.use(self.reached)
        self.potential.metadata |= {
            "training": self.training.to_dict(),
            "data": self.sets.hashes[0],
            "steps": self.step,
        }
        return self._so_far()

    def _so_far(self) -> Trained:
        plan = self.plan or Plan(10**9, 10**9)
        ended = plan if self.step >= plan.end else replace(plan, last=self.step)
        kept = (self.potential.with_weights(self.weights.named(w)) for w in self.weights.snapshots)
        return Trained(
            self.sets.whole(self.potential), tuple(self.history.rows), ended,
            tuple(self.sets.whole(one) for one in kept), tuple(self.losses), self.history.predictions,
        )  # fmt: skip
