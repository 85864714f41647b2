"""Batches: the frames of each step, which depend only on the step and the seed, and their loss."""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from torch import Tensor

from labkit.datasets import DatasetWarning
from labkit.neural.training.frames import TrainingFrames
from labkit.neural.training.plan import order_of
from labkit.neural.training.settings import Training

REPLAYED = 1  # marks the stream of random numbers that choose replayed frames


class Batches:
    """Batches of frames. Each of the first `new` occurs once in an epoch; the others are old frames, replayed in such a
    number that they make up the fraction `training.replay_share` of an epoch.
    """

    def __init__(self, frames: TrainingFrames, new: int, training: Training) -> None:
        self.frames, self.new, self.training = frames, new, training
        old = len(frames) - new
        self.replayed = round(training.replay_share / (1 - training.replay_share) * new) if old else 0
        if old and training.replay_share and not self.replayed:
            self.replayed = 1
        each = new + self.replayed
        if training.batch > each:
            warnings.warn(
                f"a batch of {training.batch} frames, but there are {each}; all of them are used", DatasetWarning, 5
            )
        self.size = min(training.batch, each)
        self.per_epoch = math.ceil(each / self.size)
        self._epoch, self._order = -1, np.zeros(0, np.int64)

    def order(self, epoch: int) -> np.ndarray:
        """Numbers of the frames of an epoch, in order."""
        seed, old = self.training.seed, len(self.frames) - self.new
        if not self.replayed:
            return order_of(self.new, seed, epoch)
        # old frames take turns: position t in an endless sequence of permutations
        turns = np.arange(epoch * self.replayed, (epoch + 1) * self.replayed)
        rounds = {r: np.random.default_rng([seed, r, REPLAYED]).permutation(old) for r in set((turns // old).tolist())}
        chosen = np.array([rounds[r][k] for r, k in zip(*np.divmod(turns, old), strict=True)])
        every = np.concatenate([np.arange(self.new), self.new + chosen])
        return every[order_of(len(every), seed, epoch)]

    def rows(self, step: int) -> np.ndarray:
        """Numbers of the frames of a step."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self.order(epoch)
        return self._order[place * self.size : (place + 1) * self.size]

    def loss(self, step: int, rows: np.ndarray | None = None) -> Tensor:
        """The loss of a step, or of other rows at this step, differentiable with respect to the weights."""
        network, training = self.frames.potential.network, self.training
        batch = self.frames.batch(self.rows(step) if rows is None else rows)
        return network.head.loss(training.weights, network, batch, (training.seed, step))

    def culprit(self, step: int) -> int:
        """The first frame of a step whose loss is not finite, or else the first frame."""
        rows = self.rows(step)
        return next((int(k) for k in rows if not bool(torch.isfinite(self.loss(step, np.array([k]))))), int(rows[0]))
