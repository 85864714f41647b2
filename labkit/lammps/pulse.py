"""How far a run of LAMMPS is, and its end at a whole step when somebody presses Stop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from labkit.base import Progress
from labkit.errors import Stopped

if TYPE_CHECKING:
    from labkit.lammps.host import Host

#: s between two reports
PERIOD = 0.1


class Pulse:
    """Called in each step of a run, by its hooks; tells `progress` now and then, and asks it whether to stop.

    The step in which it hears so becomes the run's last: LAMMPS, told that its time is up, finishes it.
    """

    def __init__(self, host: Host, steps: int, progress: Progress) -> None:
        self.host, self.steps, self.progress = host, steps, progress
        self.stopped = False
        self._last: int | None = None
        self._next = 0.0

    def __call__(self, step: int) -> None:
        if self.stopped or step == self._last or time.monotonic() < self._next or not self.host.whole(step):
            return
        self._last, self._next = step, time.monotonic() + PERIOD
        self.progress.update(self._done(step), self.steps)
        if self.progress.should_stop() and step < self.host.last:
            self.stopped, self.host.last = True, step
            self.host.lmp.force_timeout()

    def end(self) -> None:
        """After the run: the last report, or Stopped."""
        if self.stopped:
            self.host.lmp.command("timer timeout off")  # else every later run would end at once
            raise Stopped(f"stopped after {self._done(self.host.last)} of {self.steps} steps; another run goes on")
        self.progress.update(self.steps, self.steps)

    def _done(self, step: int) -> int:
        return (step - self.host.first) // self.host.evaluations
