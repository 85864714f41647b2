"""The model of a panel: parameters, a job that uses them, and its results; no widget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import traitlets
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.kit.follow_slider import FollowSlider
from labkit.panels.kit.style import to_png


class PanelModel(traitlets.HasTraits):
    """Parameters, state and results of a panel, without widgets.

    A subclass has one trait for each parameter, tagged with a group and what a control needs (`controls.py`), and
    defines `make_job`, `present`, `code` and `outputs`. All traits below are set from any thread.

    status    'ready', then the status of its job; 'stopping' after Stop
    message   the text of an error, or ""
    note      remarks on the results
    results   what the job has found so far
    picture   PNG of the results
    table     HTML of the results

    Text of the panel: `title`, `hint`; `continue_hint` is the tooltip of Continue, "" if there is no such button.
    The first `open_groups` groups of parameters are visible, the others are folded away.
    """

    title = ""
    hint = ""
    continue_hint = ""
    open_groups = 1

    status = traitlets.Unicode("ready")
    fraction = traitlets.Float(0.0)
    eta = traitlets.Float(None, allow_none=True)
    message = traitlets.Unicode("")
    note = traitlets.Unicode("")
    results = traitlets.Any(None)
    picture = traitlets.Bytes(b"")
    table = traitlets.Unicode("")

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.job: Job | None = None
        self.continuing = False  # whether the job being made continues the last run
        self.followers: list[FollowSlider] = []
        self._lock = threading.RLock()

    def make_job(self) -> Job:
        """The job of the current parameters, not started; raises LabkitError if they are invalid."""
        raise NotImplementedError

    def present(self, result: Any) -> None:
        """Set `picture`, `table` and `note` from a result, which may be partial."""
        raise NotImplementedError

    def code(self) -> str:
        """The script that computes the same."""
        raise NotImplementedError

    def files(self) -> dict[str, bytes]:
        """The files to download, by name; none before the first results."""
        return {} if self.results is None else self.outputs(self.results)

    def outputs(self, result: Any) -> dict[str, bytes]:
        """The files of a result, by name."""
        return {}

    def keep(self, path: Path) -> None:
        """Write what `recall` needs to a file, if it can be had without computing it again."""

    def recall(self, path: Path) -> Any:
        """The results that `keep` wrote, for Continue and Download; None if there are none."""
        return None

    def run(self) -> Job:
        """Start; raises LabkitError during a run, and for invalid parameters."""
        with self._lock:
            if self.job is not None and self.job.status == "running":
                raise LabkitError("this panel is already running; press Stop, or wait for the end")
            self.message = self.note = ""
            try:
                job = self.make_job()
            except LabkitError as error:
                self.message = str(error)
                raise
            job.on_change(self._update)
            self.job, self.status, self.fraction, self.eta = job, "running", 0.0, None
            return job.start()

    def go_on(self) -> Job:
        """As `run`, but from where the last run ended; raises LabkitError before the first run."""
        if not self.continue_hint:
            raise LabkitError("a run of this panel cannot be continued; press Run to start again")
        self.found()
        self.continuing = True
        try:
            return self.run()
        finally:
            self.continuing = False

    def found(self) -> Any:
        """The results; raises LabkitError before there are any."""
        if self.results is None:
            raise LabkitError("nothing has run yet; press Run first")
        return self.results

    def stop(self) -> None:
        """Ask the work to end; the results so far stay."""
        with self._lock:  # otherwise the job's last notice could come in between, and "stopping" would stay for ever
            if self.job is not None and self.status == "running":
                self.status = "stopping"
                self.job.stop()

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until the picture shows the current parameters; raises what failed, TimeoutError after `timeout` s."""
        end = time.monotonic() + timeout
        for follower in self.followers:
            follower.settle(max(end - time.monotonic(), 0.0))

    def follow(self, work: Callable[[], None], name: str, delay: float = 0.0) -> FollowSlider:
        """A FollowSlider that calls `work` and shows its errors here; `settle` waits for it."""
        self.followers.append(FollowSlider(work, name, self.show_error, delay))
        return self.followers[-1]

    def show_error(self, error: LabkitError) -> None:
        self.message = str(error)

    def show(self, figure: Figure) -> None:
        self.picture = to_png(figure)

    def _update(self, job: Job) -> None:
        """Called in the job's thread for notices, at most four times a second."""
        try:
            if job.result is not None and job.result is not self.results:
                self.results = job.result
                self.present(job.result)
        except Exception as error:
            self.message, self.status = f"the result could not be shown: {type(error).__name__}: {error}", "failed"
            raise  # and the job keeps it for wait()
        with self._lock:
            self.fraction, self.eta, self.message = job.progress.fraction, job.progress.eta, job.message
            self.status = "stopping" if job.stopping else job.status
