"""Purchases: the labels of a run, from the store or from the oracle, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labkit.active.pool.budget import Budget
from labkit.active.pool.candidates import candidate
from labkit.base import NO_PROGRESS, Progress
from labkit.datasets import Dataset
from labkit.errors import Stopped
from labkit.oracles import Calculation, Label, LabelStore, Oracle, outcomes, structure_hash

#: outcomes of calls that ended by themselves; those stopped or lost are no answer, and do not count
ANSWERS = ("labelled", "unconverged", "failed", "timed out")


@dataclass(frozen=True)
class Terms:
    """How labels are bought.

    retries     {outcome: how often a frame is sent again after it}, for "failed", "timed out" and "unconverged"
    workers     frames computed at a time
    time_limit  s for each; None: no limit
    """

    retries: Mapping[str, int]
    workers: int = 1
    time_limit: float | None = None


class Purchases:
    """Labels of frames of a pool by one oracle; the store's calculations after `mark` are the books.

    given  labels that were bought elsewhere, which count as calls without a known cost
    """

    def __init__(
        self, pool: Dataset, oracle: Oracle, store: LabelStore, mark: int, budget: Budget, terms: Terms, given: int
    ) -> None:
        self.pool, self.oracle, self.store, self.mark = pool, oracle, store, mark
        self.budget, self.terms, self.given = budget, terms, given
        self.labels: dict[int, Label] = {}
        self.failed: dict[int, str] = {}
        self._hashes: dict[int, str] = {}
        self._reused: dict[int, Calculation | None] = {}  # labels that the store had before

    def buy(self, frames: Sequence[int], progress: Progress = NO_PROGRESS) -> None:
        """Label frames, those that fail as often as the terms say; stops where the budget ends, or on request.

        What the store has is not computed again, and a frame that failed in this run before it was killed counts as
        failed. Raises Stopped, and StoreError if a label cannot be stored.
        """
        for k in frames:
            self._look_up(k)
        attempts = self._attempts(frames)
        waiting = [k for k in frames if k not in self.labels and not self._given_up(k, attempts[k])]
        while waiting:
            left = self.budget.calls_left(self.calls, self.core_seconds)
            size = self.terms.workers if self.budget.core_seconds is not None else len(waiting)
            part = waiting[: size if left is None else min(size, left)]
            if not part:
                return
            waiting, again = waiting[len(part) :], []
            for k in self._computed(part, progress):
                if k not in self.labels and not self._given_up(k, self._attempts([k])[k]):
                    again.append(k)
                done = len(self.labels) + len(self.failed)
                progress.update(done, done + len(waiting))
            waiting = again + waiting

    def _computed(self, frames: list[int], progress: Progress) -> Iterator[int]:
        atoms, terms = [candidate(self.pool, k) for k in frames], self.terms
        found = outcomes(
            self.oracle, atoms, self.store, workers=terms.workers, time_limit=terms.time_limit,
            should_stop=progress.should_stop,
        )  # fmt: skip
        for outcome in found:
            k = frames[outcome.index]
            if outcome.label is not None:
                self.labels[k] = outcome.label
            yield k
        if progress.should_stop():
            raise Stopped("labelling was stopped")

    def _look_up(self, k: int) -> None:
        if k in self.labels:
            return
        self._hashes[k] = structure_hash(candidate(self.pool, k))
        label = self.store.get(self._hashes[k], self.oracle)
        if label is not None:
            self.labels[k] = label

    def _attempts(self, frames: Sequence[int]) -> dict[int, list[Calculation]]:
        of = {self._hashes[k]: k for k in frames}
        found: dict[int, list[Calculation]] = {k: [] for k in frames}
        for c in self.store.calculations(self.oracle, after=self.mark):
            if c.structure in of and c.outcome in ANSWERS:
                found[of[c.structure]].append(c)
        return found

    def _given_up(self, k: int, attempts: Sequence[Calculation]) -> bool:
        """Whether a frame without a label has failed too often."""
        if not attempts:
            return False
        last = attempts[-1]
        if sum(c.outcome == last.outcome for c in attempts) <= self.terms.retries.get(last.outcome, 0):
            return False
        self.failed[k] = f"{last.outcome}: {last.message}"
        return True

    def books(self) -> list[tuple[int, Calculation | None, bool]]:
        """(frame, calculation, whether the label was in the store before this run), in the order of the calls.

        A label that was given to the store without a calculation has None.
        """
        frames = {h: k for k, h in self._hashes.items()}
        found = [
            (frames[c.structure], c, False)
            for c in self.store.calculations(self.oracle, after=self.mark)
            if c.structure in frames
        ]
        bought = {k for k, c, _ in found if c.outcome == "labelled"}
        if missing := {self._hashes[k]: k for k in self.labels if k not in bought and k not in self._reused}:
            self._reused |= dict.fromkeys(missing.values())
            for c in self.store.calculations(self.oracle):
                if c.structure in missing and c.outcome == "labelled":
                    self._reused[missing[c.structure]] = c
        return [(k, c, True) for k, c in self._reused.items() if k not in bought] + found

    @property
    def calls(self) -> int:
        """Calls that count, see Budget."""
        return self.given + sum(c is None or c.outcome in ANSWERS for _, c, _ in self.books())

    @property
    def core_seconds(self) -> float:
        """Core-seconds of these calls."""
        return float(sum(c.core_seconds for _, c, _ in self.books() if c is not None and c.outcome in ANSWERS))

    def dataset(self, frames: Sequence[int]) -> Dataset:
        """Frames of the pool with the labels of this oracle, and its name in info."""
        found, labels = self.pool[list(frames)], [self.labels[k] for k in frames]
        none = np.full((3, 3), np.nan)
        forces = [np.full((n, 3), np.nan) if x.forces is None else x.forces for x, n in zip(labels, found.counts)]
        return replace(
            found,
            energy=np.array([label.energy for label in labels]),
            forces=np.concatenate([np.zeros((0, 3)), *forces]),
            stress=np.array([x.stress if x.stress is not None else none for x in labels]).reshape(-1, 3, 3),
            info=[{**info, "oracle": self.oracle.name} for info in found.info],
            name=f"{self.pool.name or 'pool'} by {self.oracle.name}",
        )
