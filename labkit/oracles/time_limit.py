"""A limit of time for one calculation, also for one that does not stop when asked to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from ase import Atoms

from labkit.errors import LabkitError, Stopped
from labkit.oracles.errors import TimedOut
from labkit.oracles.label import Label

if TYPE_CHECKING:
    from labkit.oracles.oracle import Oracle

GRACE = 1.0  # s that a calculation has to stop once its time is over


def compute_within(
    limit: float | None, oracle: Oracle, atoms: Atoms, should_stop: Callable[[], bool]
) -> tuple[Label, float]:
    """A label and the seconds it took; raises TimedOut after `limit` seconds, None for no limit.

    When its time is over the calculation is asked to stop. One that does not is left alone in its thread, and what it
    may still return is thrown away: a library that hangs cannot be ended from outside.
    """
    if limit is None:
        return oracle.timed(atoms, should_stop)
    deadline = time.monotonic() + limit
    found: SimpleQueue[tuple[Label, float] | BaseException] = SimpleQueue()

    def work() -> None:
        try:
            found.put(oracle.timed(atoms, lambda: should_stop() or time.monotonic() > deadline))
        except BaseException as error:  # noqa: BLE001 (raised again in the thread that waits)
            found.put(error)

    threading.Thread(target=work, name="calculation", daemon=True).start()
    late = TimedOut(f"{oracle.name}: not done after {limit:g} s, the limit of time; it was stopped")
    try:
        result = found.get(timeout=limit + GRACE)
    except Empty:
        raise late from None
    if isinstance(result, Stopped) and not should_stop():
        raise late from result
    if isinstance(result, BaseException):
        raise result
    return result


def check_limit(limit: float | None) -> None:
    """Raise LabkitError unless the limit is None or positive."""
    if limit is not None and not limit > 0:
        raise LabkitError(f"time_limit is {limit}; expected a positive number of seconds, or None")
