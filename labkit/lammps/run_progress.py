"""Progress of a run of LAMMPS, and its end at a complete step when Stop is pressed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from labkit.base import Progress
from labkit.errors import Stopped

if TYPE_CHECKING:
    from labkit.lammps.host import Host

#: s between two reports
PERIOD = 0.1


class RunProgress:
    """Called in each step of a run by its hooks; reports to `progress` at intervals, and checks whether to stop.

    On a stop the current step becomes the last: LAMMPS, whose time limit is set to zero, finishes it.
    """

    def __init__(self, host: Host, steps: int, progress: Progress) -> None:
        self.host, self.steps, self.progress = host, steps, progress
        self.stopped = self.interrupted = False
        self._last: int | None = None
        self._next = 0.0

    def __call__(self, step: int) -> None:
        if self.stopped or step == self._last or not self.host.ends_step(step):
            return
        self._last = step  # the first hook of a step decides: a later one finds an integrator in its next step
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PERIOD
            self.progress.update(self._done(step), self.steps)
            self.stopped = self.progress.should_stop()
        self.stopped = (self.stopped or self.interrupted) and step < self.host.last
        if self.stopped:
            self.host.last = step
            self.host.lmp.force_timeout()

    def interrupt(self) -> None:
        """Ctrl-C: the next complete step is the last."""
        self.interrupted = True

    def end(self) -> None:
        """After the run: the last report, or Stopped, or KeyboardInterrupt."""
        if self.stopped:
            self.host.lmp.command("timer timeout off")  # otherwise every later run would end at once
        if self.interrupted:
            raise KeyboardInterrupt
        if self.stopped:
            raise Stopped(f"stopped after {self._done(self.host.last)} of {self.steps} steps; another run continues")
        self.progress.update(self.steps, self.steps)

    def _done(self, step: int) -> int:
        return (step - self.host.first) // self.host.evaluations


@contextmanager
def interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C calls `interrupt` instead of raising, because an exception inside LAMMPS's own code is lost.

    The second one raises. If Ctrl-C already has another handler, or outside the main thread, nothing is changed.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield
        return

    def once(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, before)
        interrupt()

    signal.signal(signal.SIGINT, once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
