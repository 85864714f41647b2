"""A job that begins anew when a parameter moves, in place of the one that runs."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.kit.view import Model


class Anew(Model):
    """A Model with `anew()`: after the first Run, run with the parameters as they are now, stopping what runs.

    `waiting` is true from then until the stopped job has made room for the next.
    """

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.waiting = False

    def anew(self) -> None:
        with self._lock:
            if self.job is None:
                return  # not before the first Run
            if self.job.status == "running":
                self.waiting = True
                self.stop()
                return
        self._start()

    def _start(self) -> None:
        if isinstance(self.job.error, LabkitError):  # stood in red, and is being mended: finish() need not raise it
            with suppress(LabkitError, TimeoutError):
                self.job.wait(0)
        try:
            self.run()
        except LabkitError as error:
            self.message = str(error)

    def _follow(self, job: Job) -> None:
        if job is not self.job:
            return  # the last word of one that was replaced
        if self.waiting and job.status != "running":
            self.waiting = False
            self._start()
        else:
            super()._follow(job)
