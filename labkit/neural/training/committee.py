"""train_committee(): several networks trained at once on the same frames, whose spread is an uncertainty."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labkit.base import NO_PROGRESS, Committee, Potential, Progress
from labkit.datasets import Dataset
from labkit.errors import LabkitError, Stopped
from labkit.neural.config import NeuralConfig
from labkit.neural.priors import Zbl
from labkit.neural.training.data import Sets
from labkit.neural.training.run import TrainingRun
from labkit.neural.training.settings import Trained, Training
from labkit.neural.training.start import untrained
from labkit.parallel import one_thread


@dataclass(frozen=True, eq=False)
class TrainedCommittee:
    """The members of a committee with their histories, and the committee as a potential."""

    potential: Committee
    members: tuple[Trained, ...]


def train_committee(
    frames: Dataset,
    config: NeuralConfig | None = None,
    validation: Dataset | None = None,
    training: Training | None = None,
    *,
    members: int = 4,
    seeds: bool = True,
    bootstrap: bool = False,
    threads: int | None = None,
    prior: Potential | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress = NO_PROGRESS,
    **settings: Any,
) -> TrainedCommittee:
    """Train M networks with the same settings; labels, e0 and neighbours are prepared once and shared.

    members     M
    seeds       whether members begin with different weights and see the frames in different orders
    bootstrap   whether each member has its own draw of as many frames with replacement, 63 % of them different
    threads     members trained at the same time, one thread each; by default the cores of this machine, at most M
    checkpoint  a folder, in which each member has a file as in `train`
    settings    those of Training; a budget is that of each member

    Results do not depend on `threads`, unless a budget of seconds decides about the number of steps. When progress
    stops the training, raises Stopped with the TrainedCommittee as it is then. An error in one member ends the others.
    A prior other than Zbl belongs to all members, which are then evaluated one after another. Raises LabkitError for
    fewer than two members, and for members that would all be the same.

    >>> from labkit.datasets import ice
    >>> found = train_committee(ice("train", n=50)[:8], NeuralConfig(channels=8, cutoff=3.0), members=3, steps=3)
    >>> len(found.potential.potentials)
    3
    """
    if members < 2:
        raise LabkitError(f"members is {members}; a committee has at least 2")
    if not seeds and len(frames) == 1:
        raise LabkitError(
            "all members would be the same, as all draws from one frame are; give seeds=True or more frames"
        )
    if not (seeds or bootstrap):
        raise LabkitError("all members would be the same: let them differ by seeds=True, bootstrap=True, or both")
    if threads is not None and threads < 1:
        raise LabkitError(f"threads is {threads}; expected at least 1")
    started, chosen = time.perf_counter(), replace(training or Training(), **settings)
    config = config or NeuralConfig()
    threads = min(members, threads or os.cpu_count() or 1)
    first = untrained(frames, config, prior=prior)
    sets = Sets.of(first, frames, validation, None, prior)
    shown = _Together(progress, members)

    def run(k: int) -> TrainingRun:
        seed = k if seeds else 0
        own = first if k == 0 else untrained(frames, config.replace(seed=config.seed + seed), prior=prior)
        drawn = np.random.default_rng([chosen.seed, k]).integers(len(frames), size=len(frames)) if bootstrap else None
        file = None if checkpoint is None else Path(checkpoint) / f"member_{k}.safetensors"
        return TrainingRun(
            sets.of_member(own, drawn), replace(chosen, seed=chosen.seed + seed), file, 5.0, shown.member(k),
            lambda: False, lambda found: None, started,
        )  # fmt: skip

    if checkpoint is not None:
        Path(checkpoint).mkdir(parents=True, exist_ok=True)
    runs = [run(k) for k in range(members)]
    with one_thread(), ThreadPoolExecutor(threads) as pool:
        try:
            found = list(pool.map(shown.to_the_end, runs))
        except BaseException:  # also when the user interrupts: the other members would be waited for
            shown.over = True
            raise
    alone = prior is None or isinstance(prior, Zbl)  # others may keep what they compute, as ASE's calculators do
    result = _committee([trained for trained, _ in found], threads if alone else 1)
    if any(stopped for _, stopped in found):
        raise Stopped("the training of the committee was stopped", result)
    return result


def _committee(members: Sequence[Trained], threads: int) -> TrainedCommittee:
    return TrainedCommittee(Committee([one.potential for one in members], threads=threads), tuple(members))


class _Together:
    """The progress of members that run at the same time, as the sum of their steps."""

    def __init__(self, whole: Progress, members: int) -> None:
        self.whole, self.steps, self.totals = whole, np.zeros(members), np.ones(members)
        self.lock, self.over = threading.Lock(), False

    def to_the_end(self, run: TrainingRun) -> tuple[Trained, bool]:
        """The trained member, and whether it was stopped; an error in one member ends the others."""
        run.started = time.perf_counter()  # it may have waited for others
        try:
            return run.to_the_end(), False
        except Stopped as stop:
            return stop.partial, True
        except BaseException:
            self.over = True
            raise

    def member(self, k: int) -> Progress:
        together = self

        class Member(Progress):
            def update(self, step: float, total: float, **metrics: Any) -> None:
                with together.lock:
                    together.steps[k], together.totals[k] = step, total
                    metrics.pop("result", None)
                    most = together.totals.max() * len(together.totals)
                    together.whole.update(float(together.steps.sum()), float(most), **metrics, member=k)

            def should_stop(self) -> bool:
                return together.over or together.whole.should_stop()

        return Member()
