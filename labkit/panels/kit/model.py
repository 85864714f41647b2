"""The model of a panel: parameters, a job that uses them, and its results; no widget."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import traitlets

from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.kit.changes import differences
from labkit.panels.kit.controls import groups, parameters
from labkit.panels.kit.follow_slider import FollowSlider
from labkit.panels.kit.script import data_files
from labkit.panels.kit.shown_figure import ShownFigure


class PanelModel(ShownFigure):
    """Parameters, state and results of a panel, without widgets.

    A subclass has one trait for each parameter, tagged with a group and what a control needs (`controls.py`), and
    defines `make_job`, `present`, `script` and `outputs`. All traits below are set from any thread.

    What is shown belongs to one run: `ran` is this model with the parameters of the run whose results are shown, also
    after a parameter has been changed. `present` takes them from there; `code()` and `files()` are those of `ran`.

    status    'ready', then the status of its job; 'stopping' after Stop
    message   the text of an error, or ""
    note      remarks on the results
    results   what the job has found so far
    ran       this model with the parameters of the run whose results are shown, or None
    changed   the parameters that differ from those of the results, in words, or ""
    refused   what was typed into a field and is no valid value: name of the parameter -> sentence
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
    ran = traitlets.Any(None)
    changed = traitlets.Unicode("")
    refused = traitlets.Dict()
    table = traitlets.Unicode("")

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.job: Job | None = None
        self.continuing = False  # whether the job being made continues the last run
        self.followers: list[FollowSlider] = []
        self._next: Self | None = None  # the parameters of the job, until it has a result
        self._lock = threading.RLock()
        self.observe(self._compare, [*parameters(self), "status", "ran"])
        self.observe(self._forgive, "refused")

    def make_job(self) -> Job:
        """The job of the current parameters, not started; raises LabkitError if they are invalid."""
        raise NotImplementedError

    def present(self, result: Any) -> None:
        """Set `picture`, `table` and `note` from a result, which may be partial."""
        raise NotImplementedError

    def script(self) -> str:
        """Python that computes `results` with these parameters; without results, what Run computes."""
        raise NotImplementedError

    def outputs(self, result: Any) -> dict[str, bytes]:
        """The files of a result, by name."""
        return {}

    def visible_groups(self) -> list[str]:
        """The groups of parameters that have controls, in their order."""
        return groups(self)

    def frames_used(self) -> dict[str, Any]:
        """The frames that `script` reads, by the names of their variables."""
        return {}

    def code(self) -> str:
        """The script that computes what is shown; before the first results, what Run computes."""
        return (self.ran or self).script()

    def files(self) -> dict[str, bytes]:
        """The files to download, by name; none before the first results."""
        if self.ran is None or self.ran.results is None:
            return {}
        ran = self.ran.frozen(picture=self.picture)
        return ran.outputs(ran.results) | data_files(ran.frames_used())

    def frozen(self, **values: Any) -> Self:
        """A copy with the current parameters and results, or these values, that does not follow later changes."""
        copied = copy.copy(self)
        copied.ran = copied._next = None
        for name, value in values.items():
            copied.set_trait(name, value)
        return copied

    def follows(self, name: str) -> bool:
        """Whether what is shown follows this parameter without Run (tagged `at_once`)."""
        return self.results is not None and bool(self.traits()[name].metadata["how"].get("at_once"))

    def keep(self, path: Path) -> None:
        """Write what `recall` needs to a file; by default nothing, and only picture, table and note are kept."""

    def recall(self, path: Path) -> Any:
        """The results that `keep` wrote, for Continue and Download; None if there are none."""
        return None

    def bring_back(self, results: Any, picture: bytes, table: str, note: str) -> None:
        """Show what was kept of a run with the current parameters."""
        self.results = results
        self.show_picture(picture)
        self.table, self.note, self.ran = table, note, self.frozen()

    def run(self) -> Job:
        """Start; raises LabkitError during a run, and for invalid parameters."""
        with self._lock:
            if self.job is not None and self.job.status == "running":
                raise LabkitError("this panel is already running; press Stop, or wait for the end")
            self.message = ""
            try:
                if self.refused:
                    raise LabkitError(next(iter(self.refused.values())))
                job = self.make_job()
            except LabkitError as error:
                self.message = str(error)
                raise
            self._next = self.frozen(results=None)
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

    def _take(self, result: Any) -> None:
        """These are the results now, and the parameters of their job are those of what is shown."""
        self.ran, self._next = self._next or self.ran or self.frozen(), None
        self.ran.set_trait("results", result)
        self.results = result

    def _compare(self, _: object) -> None:
        self.changed = differences(self, self.ran) if self.ran is not None else ""

    def _forgive(self, change: dict) -> None:
        """What was refused at Run has been replaced: its sentence goes."""
        if self.message in change["old"].values() and self.message not in change["new"].values():
            self.message = ""

    def _update(self, job: Job) -> None:
        """Called in the job's thread for notices, at most four times a second."""
        if job is not self.job:
            return  # the last notice of a job that was replaced
        try:
            if job.result is not None and job.result is not self.results:
                self._take(job.result)
                self.present(job.result)
        except Exception as error:
            self.message, self.status = f"the result could not be shown: {type(error).__name__}: {error}", "failed"
            raise  # and the job keeps it for wait()
        with self._lock:
            fraction = 1.0 if job.status == "done" else job.progress.fraction
            self.fraction, self.eta, self.message = fraction, job.progress.eta, job.message
            self.status = "stopping" if job.stopping else job.status
