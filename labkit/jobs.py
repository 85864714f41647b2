"""Jobs: long work in a background thread that can be watched, stopped, resumed, and whose failure is never lost."""

from __future__ import annotations

import inspect
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from typing import Any

from labkit.base import Progress
from labkit.errors import LabkitError, Stopped

#: Seconds between two calls of the `on_change` callbacks of one job.
NOTIFY_INTERVAL = 0.25


class JobProgress(Progress):
    """What a job passes to its function as `progress=`, and a panel reads.

    step, total   progress of the work; 0, 0 before its first report
    metrics       other values of the last report (the key `result` becomes the job's result so far)
    """

    def __init__(self, on_update: Callable[[dict[str, Any]], None]) -> None:
        self.step: float = 0
        self.total: float = 0
        self.metrics: dict[str, Any] = {}
        self.stop_seen = False
        self._on_update = on_update
        self._stop = threading.Event()
        self._seen: deque[tuple[float, float]] = deque(maxlen=20)  # recent speed: blocks may become slower

    def update(self, step: float, total: float, **metrics: Any) -> None:
        """Called by the work once per block."""
        if self._seen and step < self._seen[-1][1]:
            self._seen.clear()  # the next stage of the work counts from zero, at its own speed
        self._seen.append((time.monotonic(), step))
        self.step, self.total = step, total
        self._on_update(metrics)

    def should_stop(self) -> bool:
        """Called by the work once per block; after True the work must end."""
        self.stop_seen = self._stop.is_set()
        return self.stop_seen

    @property
    def fraction(self) -> float:
        """Fraction done, 0 to 1."""
        return min(self.step / self.total, 1.0) if self.total else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds left at the recent speed; None while unknown."""
        seen = list(self._seen)
        if len(seen) < 2 or seen[-1][1] == seen[0][1]:
            return None
        (t0, n0), (t1, n1) = seen[0], seen[-1]
        left = (self.total - n1) * (t1 - t0) / (n1 - n0)
        return max(left - (time.monotonic() - t1), 0.0)


class Job:
    """Run `function(*args, progress=job.progress, **kwargs)` in a thread; without `progress` if it takes none.

    A generator yields usable results and can be stopped between two of them; other functions report
    `progress.update(step, total, result=..., **metrics)`, check `progress.should_stop()` once per block and then raise
    `Stopped(partial=...)` or return what they have. With `checkpoint=path` the function receives the path, saves its
    state there and resumes from it when called again.

    status  'waiting' | 'running' | 'stopped' | 'done' | 'failed'
    result  the latest result: partial while running or stopped, complete when done
    error   the exception of a failed job, raised by `wait()` and `finish()`
    reason  why the work ended itself early, as an observer of a run may do; empty after Stop was pressed
    shown   what a notebook shows where the job is the last line of a cell, such as the panel that started it; or None

    >>> def count(n):
    ...     for i in range(n):
    ...         yield i * i
    >>> Job(count, 4).start().wait()
    9
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *args: Any,
        name: str = "",
        checkpoint: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.name = name or getattr(function, "__name__", "job")
        self.checkpoint = checkpoint
        self._call = function, args, kwargs if checkpoint is None else {**kwargs, "checkpoint": checkpoint}
        self._lock = threading.RLock()
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._callbacks: list[Callable[[Job], None]] = []
        self.status = "waiting"
        self.result: Any = None
        self.error: BaseException | None = None
        self.reason = ""
        self.seconds = 0.0
        self.progress = JobProgress(self._on_update)
        self.shown: Any = None
        self._notifier: threading.Thread | None = None

    def start(self) -> Job:
        """Start the job, once; a stopped job continues with `resume`."""
        with self._lock:
            if self.status != "waiting":
                raise LabkitError(
                    f"job '{self.name}' was started before (now {self.status}); make a new Job, or resume()"
                )
            self._launch()
        return self

    def resume(self) -> Job:
        """Continue from the checkpoint after Stop or a failure."""
        if threading.current_thread() is self._notifier:
            raise LabkitError(f"job '{self.name}' cannot resume itself from on_change; call resume() from elsewhere")
        with self._lock:
            if self.checkpoint is None:
                raise LabkitError(f"job '{self.name}' has no checkpoint; make it with Job(..., checkpoint='FILE')")
            if self.status not in ("stopped", "failed"):
                raise LabkitError(f"job '{self.name}' is {self.status}; only a stopped or failed job can be resumed")
            self._ended.wait()
            self.error, self.reason = None, ""
            self.progress = JobProgress(self._on_update)
            self._launch()
        return self

    def stop(self) -> None:
        """Ask the work to end after the current block; returns immediately."""
        if self.status == "running":
            self.progress._stop.set()
            self._changed.set()

    @property
    def stopping(self) -> bool:
        """Stop was requested and the current block has not ended."""
        return self.status == "running" and self.progress._stop.is_set()

    def wait(self, timeout: float | None = None) -> Any:
        """Wait until the work and all callbacks have ended and return the result, which is partial after Stop.

        Raises the error of failed work, TimeoutError after `timeout` seconds (the work continues). An interrupt of the
        kernel stops the work and is raised again.
        """
        if self.status == "waiting":
            raise LabkitError(f"job '{self.name}' was not started; call start() first")
        try:
            ended = self._ended.wait(timeout)
        except KeyboardInterrupt:
            self.stop()
            raise
        if not ended:
            raise TimeoutError(
                f"job '{self.name}' is still running after {timeout:g} s ({self.progress.fraction:.0%} done)"
            )
        _unfinished.discard(self)
        if self.error is not None:
            raise self.error
        return self.result

    def on_change(self, callback: Callable[[Job], None]) -> None:
        """Call `callback(job)` in a thread: about four times a second while the job changes, and at the end."""
        self._callbacks.append(callback)

    @property
    def message(self) -> str:
        """The sentence to show for a failure, or for work that ended itself early, or an empty string."""
        if self.error is None or isinstance(self.error, LabkitError):
            return str(self.error or self.reason)
        return f"{type(self.error).__name__}: {self.error}"

    def __repr__(self) -> str:
        return f"<Job '{self.name}': {self.status}, {self.progress.fraction:.0%}>"

    def _ipython_display_(self) -> None:
        if (display := getattr(self.shown, "_ipython_display_", None)) is None:
            raise NotImplementedError  # IPython then shows the text
        display()

    def _launch(self) -> None:
        self._ended.clear()
        self.status = "running"
        _unfinished.add(self)
        self._worker = threading.Thread(target=self._work, name=f"job {self.name}", daemon=True)
        self._worker.start()
        self._notifier = threading.Thread(target=self._notify, name=f"job {self.name}: notify", daemon=True)
        self._notifier.start()

    def _work(self) -> None:
        start = time.monotonic()
        try:
            status = self._run()
        except Stopped as stop:
            status, self.reason = "stopped", stop.reason
            if stop.partial is not None:
                self.result = stop.partial
        except BaseException as error:  # noqa: BLE001 - kept for wait(); nothing above this thread would see it
            status, self.error = "failed", error
        self.seconds = time.monotonic() - start
        self.status = status
        self._changed.set()

    def _run(self) -> str:
        function, args, kwargs = self._call
        reported = {"progress": self.progress} if _takes_progress(function) else {}
        result = function(*args, **reported, **kwargs)
        if not inspect.isgenerator(result):
            self.result = result
            return "stopped" if self.progress.stop_seen else "done"
        with closing(result):
            for self.result in result:
                self._changed.set()
                if self.progress.should_stop():
                    return "stopped"
        return "done"

    def _on_update(self, metrics: dict[str, Any]) -> None:
        if "result" in metrics:
            self.result = metrics.pop("result")
        self.progress.metrics = metrics
        self._changed.set()

    def _notify(self) -> None:
        """Call the callbacks in another thread, so that drawing does not delay the work."""
        last = False
        while not last:
            self._changed.wait()
            self._changed.clear()
            last = not self._worker.is_alive() or self.status != "running"
            for callback in list(self._callbacks):
                try:
                    callback(self)
                except Exception as error:  # noqa: BLE001 - likewise
                    self._callbacks.remove(callback)
                    self.error = self.error or error
            if not last:
                self._worker.join(NOTIFY_INTERVAL)  # not a sleep: the end is reported at once
        if self.error is None:
            _unfinished.discard(self)
        else:
            self.status = "failed"
        self._ended.set()


def _takes_progress(function: Callable[..., Any]) -> bool:
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of some built-in functions
        return False
    return "progress" in found or any(one.kind is one.VAR_KEYWORD for one in found.values())


#: Jobs that are running, or whose failure has not been raised yet.
_unfinished: set[Job] = set()


def finish(timeout: float | None = None) -> None:
    """Wait for every job and raise their failures; use it as the last line of a notebook.

    Raises the first failure (others are added to it as notes), TimeoutError for work that takes longer than `timeout`
    seconds; an interrupt stops all jobs and is raised again.
    """
    end = None if timeout is None else time.monotonic() + timeout
    failures: list[BaseException] = []
    asked: set[Job] = set()
    while waiting := _unfinished - asked:  # jobs may start jobs
        job = waiting.pop()
        asked.add(job)
        try:
            job.wait(None if end is None else max(end - time.monotonic(), 0.0))
        except KeyboardInterrupt:
            for other in list(_unfinished):
                other.stop()
            raise
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
    if failures:
        for other in failures[1:]:
            failures[0].add_note(f"also failed: {type(other).__name__}: {other}")
        raise failures[0]
