"""Plan: the number of steps of a training, and the learning rate, which depends only on the step."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Plan:
    """Warm-up, constant rate, then a straight line to zero over the last steps.

    steps     total number
    cooling   the first step of the last part, the cool-down
    falls     whether the rate falls in the cool-down; otherwise it stays constant and weights are averaged there
    warmup    steps over which the rate rises
    measured  about how many times errors are measured
    looked    the steps after which they are measured, if given
    last      the step after which the training ended early; None if it ends with its plan

    >>> plan = Plan.of(1000)
    >>> [round(plan.rate(k), 2) for k in (0, 9, 500, 800, 999)]
    [0.05, 0.5, 1.0, 0.5, 0.0]
    """

    steps: int
    cooling: int
    warmup: int = 20
    measured: int = 24
    falls: bool = True
    looked: tuple[int, ...] = ()
    last: int | None = None

    @property
    def end(self) -> int:
        """The number of steps taken."""
        return self.steps if self.last is None else self.last

    @classmethod
    def of(cls, steps: int, cool_down: float = 0.4, measured: int = 24, falls: bool = True) -> Plan:
        """A plan of this many steps; the cool-down is the fraction `cool_down` of them."""
        cooling = max(0, steps - math.ceil(cool_down * steps))
        return cls(steps, cooling, measured=measured, falls=falls)

    def rate(self, step: int) -> float:
        """The learning rate of a step (from 0), as a fraction of its largest value."""
        rise = min(1.0, (step + 1) / self.warmup)
        return (
            rise
            if step < self.cooling or not self.falls
            else rise * (self.steps - step) / max(1, self.steps - self.cooling)
        )

    def cooled_from(self, step: int) -> Plan:
        """The plan of a training that is asked, at this step, to end soon."""
        if step >= self.cooling:
            return self
        length = min(self.steps - step, max(20, (self.steps - self.cooling) // 2, step // 4))
        cooled = replace(self, cooling=step, steps=step + length)
        looked = [s for s in self.looks() if s <= step] + [s for s in cooled.looks() if s > step]
        return replace(cooled, looked=tuple(looked))

    def snapshots(self, count: int) -> list[int]:
        """Numbers of finished steps after which weights are kept: at most `count`, evenly spaced at full rate, in the
        second half of the constant part, or in the cool-down if the rate does not fall there.

        >>> Plan.of(1000).snapshots(3), Plan.of(1000, falls=False).snapshots(2)
        ([400, 500, 600], [800, 1000])
        """
        first, last = (self.cooling // 2, self.cooling) if self.falls else (self.cooling, self.steps)
        return sorted(set(np.linspace(first, last, count + 1)[1:].round().astype(int).tolist()) - {0})

    def looks(self) -> list[int]:
        """Numbers of finished steps after which errors are measured: densely at first, and after the last one."""
        if self.looked:
            return list(self.looked)
        early = [s for s in (20, 50, 100, 200) if s < self.steps]
        even = np.linspace(0, self.steps, self.measured + 1)[1:].round().astype(int).tolist()
        found = sorted({*early, *even, self.steps} - {0})
        gap = self.steps / self.measured / 3
        return [b for a, b in pairwise([-self.steps, *found]) if b - a >= gap or b in early or b == self.steps]


def order_of(frames: int, seed: int, epoch: int) -> np.ndarray:
    """The order of frames in an epoch, a function of seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(frames)
