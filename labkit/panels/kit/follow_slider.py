"""Work that follows a slider: done for its latest position, skipped for earlier ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from labkit.base import Progress
from labkit.errors import LabkitError, Stopped
from labkit.jobs import Job


class FollowSlider(Progress):
    """Call `work()` in a job after the last `ask()`, once `delay` seconds have passed without another.

    A LabkitError goes to `on_error`; any other failure is that of the job, and so raised by `labkit.finish()`. Long
    work can take this object as its progress: it then ends, by Stopped, when there is a newer request.

    >>> seen = []
    >>> follower = FollowSlider(lambda: seen.append(1), "example", print, delay=0.05)
    >>> follower.ask(), follower.ask(), follower.settle(5), seen
    (None, None, None, [1])
    """

    def __init__(
        self, work: Callable[[], None], name: str, on_error: Callable[[LabkitError], None], delay: float = 0.0
    ) -> None:
        self._work, self._name, self._on_error, self._delay = work, name, on_error, delay
        self._requested, self._lock = threading.Event(), threading.Lock()
        self.job: Job | None = None
        self.busy = False

    def ask(self) -> None:
        with self._lock:
            self._requested.set()
            if not self.busy:
                self.busy = True
                self.job = Job(self._follow, name=self._name).start()

    def should_stop(self) -> bool:
        return self._requested.is_set()

    def settle(self, timeout: float) -> None:
        """Wait until the latest request is done; raises what failed, TimeoutError after `timeout` seconds."""
        end = time.monotonic() + timeout
        while self.job is not None:
            job = self.job
            job.wait(max(end - time.monotonic(), 0.0))
            if job is self.job and not self.busy:
                return

    def _follow(self, progress: object) -> None:
        try:
            while self._next():
                if self._requested.wait(self._delay):
                    continue
                try:
                    self._work()
                except Stopped:
                    continue
                except LabkitError as error:
                    self._on_error(error)
        except BaseException:
            self.busy = False
            raise

    def _next(self) -> bool:
        with self._lock:
            self.busy = self._requested.is_set()
            self._requested.clear()
            return self.busy
