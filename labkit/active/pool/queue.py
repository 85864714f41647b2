"""SimulatedQueue: a queue system to try things on: jobs wait, run for a while, meet their wall time, and fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from labkit.errors import LabkitError, Stopped
from labkit.oracles import CalculationFailed, Label, LabelStore, Oracle, TimedOut, structure_hash
from labkit.oracles.oracle import never
from labkit.oracles.wrapped import Wrapped

STEP = 0.02  # s between looks at a request to stop
SPREAD = 0.3  # standard deviation of ln(run time)


@dataclass(frozen=True)
class QueueJob:
    """A job that has ended: structure, attempt from 1, s that it waited and ran, and outcome (see Calculation)."""

    structure: str
    attempt: int
    waiting: float
    seconds: float
    outcome: str


class SimulatedQueue(Wrapped):
    """An oracle whose calculations are jobs in a queue. All its times are simulated; labels are those of the oracle.

    waiting    s that a job waits, on average (exponential distribution)
    run_time   s that it runs, on average (log-normal, 30 %); None: as long as the calculation really takes
    wall_time  s after which it is ended: TimedOut
    failure    probability that it fails, as when its node does: CalculationFailed
    pace       real seconds for each simulated one; 0: nobody waits
    seed       the fate of a job depends on it, on the structure and on the attempt alone

    The simulated run time is booked, so that a lesson with GFN2 labels has the ledger of a DFT project: keep such
    labels in a store of their own. `jobs` lists what has ended; `learn(..., workers=8)` has eight jobs in the queue.

    >>> from ase.build import molecule
    >>> from ase.calculators.emt import EMT
    >>> from labkit.oracles import CalculatorOracle
    >>> queue = SimulatedQueue(CalculatorOracle("EMT", EMT), waiting=600, run_time=3600)
    >>> _, seconds = queue.timed(molecule("N2"))
    >>> 1000 < seconds < 10000, queue.jobs[0].outcome
    (True, 'labelled')
    """

    def __init__(
        self,
        oracle: Oracle,
        *,
        waiting: float = 0.0,
        run_time: float | None = None,
        wall_time: float | None = None,
        failure: float = 0.0,
        pace: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(oracle)
        for name, value in (("waiting", waiting), ("run_time", run_time), ("wall_time", wall_time), ("pace", pace)):
            if value is not None and not (value > 0 or (value == 0 and name in ("waiting", "pace"))):
                raise LabkitError(f"SimulatedQueue: {name} is {value}; expected a positive number of seconds")
        if not 0 <= failure < 1:
            raise LabkitError(f"SimulatedQueue: failure is {failure}; expected a probability, from 0 and below 1")
        self.waiting, self.run_time, self.wall_time = waiting, run_time, wall_time
        self.failure, self.pace, self.seed = failure, pace, seed
        self.jobs: list[QueueJob] = []
        self._store: LabelStore | None = None
        self._lock = threading.Lock()

    def with_store(self, store: LabelStore) -> SimulatedQueue:
        """The queue, which counts attempts from the books of this store: also after it was killed."""
        self._store = store
        return self

    def timed(self, atoms: Atoms, should_stop: Callable[[], bool] = never) -> tuple[Label, float]:
        structure = structure_hash(atoms)
        attempt = 1 + self._ended(structure)
        random = np.random.default_rng([self.seed, attempt, int(structure[:16], 16)])
        waiting, luck, part = random.exponential(self.waiting), random.random(), random.random()
        seconds = None if self.run_time is None else self.run_time * random.lognormal(-(SPREAD**2) / 2, SPREAD)
        self._sleep(waiting, should_stop)
        label: Label | None = None
        if seconds is None:
            label, seconds = self.oracle.timed(atoms, should_stop)
        outcome, spent = "labelled", seconds
        if luck < self.failure:
            outcome, spent = "failed", part * seconds
        if self.wall_time is not None and spent > self.wall_time:
            outcome, spent = "timed out", self.wall_time
        self._sleep(spent, should_stop)
        try:
            if outcome == "labelled" and label is None:
                label = self.oracle.timed(atoms, should_stop)[0]
        except LabkitError as error:
            outcome, error.seconds = "failed", spent  # type: ignore[attr-defined]
            raise
        finally:
            with self._lock:
                self.jobs.append(QueueJob(structure, attempt, waiting, spent, outcome))
        if outcome == "labelled":
            return label, spent
        kind, what = (
            (CalculationFailed, "its node failed") if outcome == "failed" else (TimedOut, "its wall time ended")
        )
        error = kind(f"simulated queue, job {structure[:6]}, attempt {attempt}: {what} after {spent:.4g} s")
        error.seconds = spent  # type: ignore[attr-defined]
        raise error

    def _ended(self, structure: str) -> int:
        """Calls of this structure that have ended, by themselves."""
        if self._store is None:
            return sum(job.structure == structure for job in self.jobs)
        booked = self._store.calculations(self.oracle)
        return sum(c.structure == structure and c.outcome not in ("stopped", "lost") for c in booked)

    def _sleep(self, seconds: float, should_stop: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.pace * seconds
        while (left := deadline - time.monotonic()) > 0:
            if should_stop():
                raise Stopped("the job was taken out of the queue")
            time.sleep(min(left, STEP))
