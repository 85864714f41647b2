"""Label many frames: several at a time, stoppable, each label stored before it is yielded."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ase import Atoms

from labkit.errors import LabkitError, Stopped
from labkit.oracles.errors import StoreError, TimedOut, Unconverged
from labkit.oracles.label import Label
from labkit.oracles.structure import bare, structure_hash
from labkit.oracles.time_limit import check_limit, compute_within

if TYPE_CHECKING:
    from labkit.oracles.claims import Claims
    from labkit.oracles.oracle import Oracle
    from labkit.oracles.store import LabelStore

POLL = 0.2  # s between checks of the workers, of requests to stop and of other processes


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outcome for frame `index`: a label, or the error that prevented one.

    seconds  of the calculation; None if the label was in the store, or is that of an equal frame of this call
    """

    index: int
    label: Label | None = None
    error: LabkitError | None = None
    seconds: float | None = None


def outcomes(
    oracle: Oracle,
    frames: Sequence[Atoms],
    store: LabelStore | None = None,
    *,
    workers: int = 1,
    time_limit: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Yield the outcome of each frame as soon as it is known; see Oracle.label for them in order.

    Equal frames are computed once; frames that another process is computing are awaited. When `should_stop`
    returns True, running calculations are stopped, those already finished are yielded, and Stopped is
    raised. A calculation that takes longer than `time_limit` seconds has no label; its error is TimedOut. Raises
    LabkitError, before any work, for a frame that cannot be computed.
    """
    if workers < 1:
        raise LabkitError(f"workers is {workers}, expected at least 1")
    check_limit(time_limit)
    equal: dict[str, list[int]] = {}
    for i, atoms in enumerate(frames):
        try:
            equal.setdefault(structure_hash(atoms), []).append(i)
        except LabkitError as error:
            raise LabkitError(f"frame {i}, {error}") from error
    with store.claims() if store is not None else nullcontext() as claims, ThreadPoolExecutor(workers, "label") as pool:
        oracle = oracle if store is None else oracle.with_store(store)
        work = _Work(oracle, frames, equal, store, claims, pool, time_limit)
        try:
            yield from work.run(workers, should_stop)
        finally:
            work.stop.set()


class _Work:
    """The state of one call of outcomes: frames that wait, that other processes hold, that run."""

    def __init__(
        self,
        oracle: Oracle,
        frames: Sequence[Atoms],
        equal: dict[str, list[int]],
        store: LabelStore | None,
        claims: Claims | None,
        pool: ThreadPoolExecutor,
        time_limit: float | None,
    ) -> None:
        self.oracle, self.frames, self.equal, self.store, self.claims = oracle, frames, equal, store, claims
        self.pool, self.stop, self.time_limit = pool, threading.Event(), time_limit
        self.waiting = deque(equal)
        self.running: dict[Future[tuple[Label, float]], str] = {}

    def run(self, workers: int, should_stop: Callable[[], bool]) -> Iterator[Outcome]:
        while self.waiting or self.running:
            if should_stop():
                self.stop.set()
                wait(self.running)
                yield from self._finished(set(self.running), stopping=True)
                raise Stopped("labelling was stopped")
            for _ in range(len(self.waiting)):
                if len(self.running) >= workers:
                    break
                yield from self._begin(self.waiting.popleft())
            if self.running:
                yield from self._finished(wait(self.running, timeout=POLL, return_when=FIRST_COMPLETED).done)
            elif self.waiting:  # all remaining frames are being computed by other processes
                time.sleep(POLL)

    def _begin(self, structure: str) -> Iterator[Outcome]:
        """Take the label from the store, start computing it, or put it back because another process has it."""
        atoms = self.frames[self.equal[structure][0]]
        if self.store is not None:
            label = self.store.get(structure, self.oracle)
            if label is not None:
                yield from (Outcome(i, label) for i in self.equal[structure])
                return
            if not self.claims.take(structure, self.oracle):
                self.waiting.append(structure)
                return
        self.running[self.pool.submit(self._compute, structure, bare(atoms))] = structure

    def _compute(self, structure: str, atoms: Atoms) -> tuple[Label, float]:
        """In a worker: compute, then store and record at once, whatever the main thread is doing."""
        started, outcome, message, label, seconds = time.monotonic(), "failed", "", None, None
        try:
            label, seconds = compute_within(self.time_limit, self.oracle, atoms, self.stop.is_set)
            label.attach(atoms)  # raises if the shapes do not fit this frame
            outcome = "labelled"
            return label, seconds
        except Stopped:
            outcome = "stopped"
            raise
        except BaseException as error:
            outcome, message, label = _outcome_of(error), str(error), None
            seconds = getattr(error, "seconds", None)
            raise
        finally:
            if self.claims is not None:
                spent = time.monotonic() - started if seconds is None else seconds
                self.claims.finish(structure, self.oracle, atoms, outcome, spent, label, message)

    def _finished(self, futures: set[Future[tuple[Label, float]]], stopping: bool = False) -> Iterator[Outcome]:
        for future in futures:
            indices = self.equal[self.running.pop(future)]
            try:
                label, seconds = future.result()
            except StoreError:  # the labels of other frames could not be stored either
                raise
            except LabkitError as error:
                yield from (Outcome(i, error=error) for i in indices)
            except Stopped:
                if not stopping:
                    raise
            else:
                yield Outcome(indices[0], label, seconds=seconds)
                yield from (Outcome(i, label) for i in indices[1:])


def _outcome_of(error: BaseException) -> str:
    if isinstance(error, TimedOut):
        return "timed out"
    return "unconverged" if isinstance(error, Unconverged) else "failed"
