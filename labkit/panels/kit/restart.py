"""A model whose job restarts when a parameter changes."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.kit.model import PanelModel


class RestartOnChange(PanelModel):
    """A PanelModel with `restart()`: after the first Run, it replaces the job by one with the current parameters.

    `waiting` is true from then until the stopped job has ended.
    """

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.waiting = False

    def restart(self) -> None:
        with self._lock:
            if self.job is None:
                return  # not before the first Run
            if self.job.status == "running":
                self.waiting = True
                self.stop()
                return
        self._start()

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until everything requested is computed and drawn; raises what failed."""
        end = time.monotonic() + timeout
        while True:
            super().settle(max(end - time.monotonic(), 0.0))  # a follower may start a job
            job = self.job
            if job is not None:
                job.wait(max(end - time.monotonic(), 0.0))
            if job is self.job and not (self.waiting or any(follower.busy for follower in self.followers)):
                return

    def follows(self, name: str) -> bool:
        return self.job is not None  # by itself, after the first Run

    def _start(self) -> None:
        if isinstance(self.job.error, LabkitError):  # displayed already: finish() need not raise it
            with suppress(LabkitError, TimeoutError):
                self.job.wait(0)
        try:
            self.run()
        except LabkitError as error:
            self.message = str(error)

    def _update(self, job: Job) -> None:
        if self.waiting and job is self.job and job.status != "running":
            self.waiting = False
            self._start()
        else:
            super()._update(job)
