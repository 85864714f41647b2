"""What every panel is made of: a Model of traits that runs a job, and a View that only shows and sets them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import traitlets
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.kit import html
from labkit.panels.kit.controls import control, parameters
from labkit.panels.kit.style import CSS, to_png


class Model(traitlets.HasTraits):
    """Parameters, state and results of a panel, without a widget.

    A subclass has one trait for each parameter, tagged with a group and what a control needs (`_controls.py`), and
    defines `make_job`, `present`, `code` and `files`. All traits below are set from any thread.

    status    'ready', then what its job says; 'stopping' after Stop
    message   the sentence of an error, or ""
    note      what is worth telling beside that
    results   what the job has found so far
    picture   PNG of it
    """

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
        self._lock = threading.RLock()

    def make_job(self) -> Job:
        """The work of the present parameters, not started; raises LabkitError for what cannot be done."""
        raise NotImplementedError

    def present(self, result: Any) -> None:
        """Set `picture`, `table` and `note` from a result, which may be partial."""
        raise NotImplementedError

    def code(self) -> str:
        """The script that does the same."""
        raise NotImplementedError

    def files(self) -> dict[str, bytes]:
        """What there is to download, by file name."""
        return {}

    def run(self) -> Job:
        """Start; raises LabkitError while it runs already, and for parameters that make no sense."""
        with self._lock:
            if self.job is not None and self.job.status == "running":
                raise LabkitError("this panel runs already; press Stop, or wait for the end")
            self.message = self.note = ""
            try:
                job = self.make_job()
            except LabkitError as error:
                self.message = str(error)
                raise
            job.on_change(self._follow)
            self.job, self.status, self.fraction, self.eta = job, "running", 0.0, None
            return job.start()

    def stop(self) -> None:
        """Ask the work to end; what it has found stays."""
        with self._lock:  # or the job's last notice could come in between, and "stopping" stay for ever
            if self.job is not None and self.status == "running":
                self.status = "stopping"
                self.job.stop()

    def show(self, figure: Figure) -> None:
        self.picture = to_png(figure)

    def _follow(self, job: Job) -> None:
        """Called in the job's own thread of notices, at most four times a second."""
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


class Panel(widgets.VBox):
    """A View: Run, Stop, progress with the time left, controls, result, Show code, Download; all of it from the Model.

    `run()`, `stop()` and `job` are the model's, so that a panel is driven alike with and without a screen.
    """

    title = ""
    hint = ""
    groups: tuple[str, ...] = ("basic",)

    def __init__(self, model: Model) -> None:
        self.model = model
        self.run_button = widgets.Button(description="Run", icon="play", button_style="primary", tooltip="Start")
        self.stop_button = widgets.Button(description="Stop", icon="stop", tooltip="End after this block")
        for button in (self.run_button, self.stop_button):
            button.layout.width = "90px"
        self.run_button.on_click(lambda _: self._press(model.run))
        self.stop_button.on_click(lambda _: self._press(model.stop))
        self.bar = widgets.FloatProgress(min=0, max=1, layout=widgets.Layout(width="220px", height="14px"))
        self.state, self.error, self.note, self.table = (widgets.HTML() for _ in range(4))
        self.image = widgets.Image(format="png", layout=widgets.Layout(width="100%", display="none"))
        traitlets.dlink((model, "fraction"), (self.bar, "value"))
        traitlets.dlink((model, "picture"), (self.image, "value"))
        traitlets.dlink((model, "table"), (self.table, "value"))
        traitlets.dlink((model, "message"), (self.error, "value"), html.error)
        traitlets.dlink((model, "note"), (self.note, "value"), html.hint)
        model.observe(self._show_state, ["status", "fraction", "eta"])
        traitlets.dlink((model, "picture"), (self.image.layout, "display"), lambda png: "block" if png else "none")
        self._show_state()
        super().__init__(self._parts())
        self.add_class("labkit")

    def run(self) -> Job:
        return self.model.run()

    def stop(self) -> None:
        self.model.stop()

    @property
    def job(self) -> Job | None:
        return self.model.job

    def controls(self, group: str) -> list[widgets.Widget]:
        """A control for each parameter of the model in this group."""
        return [control(self.model, name) for name in parameters(self.model, group)]

    def _parts(self) -> list[widgets.Widget]:
        head = widgets.HTML(CSS + html.head(self.title, self.hint))
        row = widgets.HBox([*self._buttons(), self.bar, self.state])
        row.layout.align_items, row.layout.flex_flow = "center", "row wrap"
        settings = self._settings()
        settings.layout.flex, settings.layout.min_width = "0 0 384px", "340px"
        results = widgets.VBox([self.table, self.image], layout=widgets.Layout(flex="1 1 420px", min_width="380px"))
        body = widgets.HBox([settings, results], layout=widgets.Layout(flex_flow="row wrap", align_items="flex-start"))
        card = widgets.VBox([head, row, self.error, body, self.note, self._foot()])
        card.add_class("labkit-card")
        return [card]

    def _buttons(self) -> list[widgets.Widget]:
        return [self.run_button, self.stop_button]

    def _settings(self) -> widgets.Widget:
        """Controls of the first group in sight, those of the others folded away."""
        first, *others = self.groups
        folded = [fold(group.capitalize(), self.controls(group)) for group in others]
        return widgets.VBox(self.controls(first) + folded)

    def _foot(self) -> widgets.Widget:
        self.code = Unfolding("Show code", "code", lambda: html.code(self.model.code()))
        self.download = Unfolding("Download", "download", lambda: html.links(self.model.files()))
        self.model.observe(lambda _: self.code.refresh(), parameters(self.model))
        # files are large: a new result folds them away instead of sending all anew
        self.model.observe(lambda _: setattr(self.download.toggle, "value", False), "results")
        row = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        return widgets.HBox([self.code, self.download], layout=row)

    def _press(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except LabkitError as error:
            self.model.message = str(error)

    def _show_state(self, _: Any = None) -> None:
        model = self.model
        running = model.status in ("running", "stopping")
        self.run_button.disabled, self.stop_button.disabled = running, model.status != "running"
        self.bar.bar_style = {"failed": "danger", "done": "success"}.get(model.status, "")
        self.state.value = html.state(model.status, model.fraction, model.eta)


def fold(title: str, children: list[widgets.Widget]) -> widgets.Accordion:
    """Children behind a line that opens and closes."""
    return widgets.Accordion([widgets.VBox(children)], titles=[title], selected_index=None)


class Unfolding(widgets.VBox):
    """A toggle above what `content` returns when it is opened or refreshed, or the sentence of its error."""

    def __init__(self, title: str, icon: str, content: Callable[[], str]) -> None:
        self._content = content
        self.toggle = widgets.ToggleButton(description=title, icon=icon, layout=widgets.Layout(width="130px"))
        self.body = widgets.HTML()
        self.toggle.observe(lambda _: self.refresh(), "value")
        super().__init__([self.toggle, self.body])

    def refresh(self) -> None:
        try:
            self.body.value = self._content() if self.toggle.value else ""
        except LabkitError as error:
            self.body.value = html.error(str(error))
