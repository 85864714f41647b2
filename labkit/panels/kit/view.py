"""The view of a panel: widgets that show a model and set its parameters, and nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import traitlets

from labkit.errors import LabkitError
from labkit.jobs import Job
from labkit.panels.kit import html, still
from labkit.panels.kit.controls import control, parameters
from labkit.panels.kit.figure_widget import FigureWidget, in_words
from labkit.panels.kit.keeping import Keeping
from labkit.panels.kit.kept_row import KeptRow
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.replaced import Replaced, present
from labkit.panels.kit.style import CSS
from labkit.panels.kit.unfolding import Fold, Unfolding

SHOWN = ["status", "message", "note", "picture", "table"]  # of the model, in the still


class Panel(Replaced):
    """Run, Stop, Continue, progress with the time left, controls, results, Show code and Download of a model.

    A subclass names its `model_type` and takes the same arguments. `run()`, `stop()`, `go_on()`, `settle()` and `job`
    are those of `model`, so that a panel is used in the same way with and without a screen.
    """

    model_type: type[PanelModel]
    results_below = False  # below the controls at full width, not beside them: for a table of sentences

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own, *rest = inspect.signature(cls.model_type.__init__).parameters.values()
        cls.__signature__ = inspect.Signature(rest)

    def __init__(self, *args: Any, **options: Any) -> None:
        self.model = model = self.model_type(*args, **options)
        self.keeping = Keeping(model, [args, options])
        self.run_button = _button("Run", "play", "Start", lambda: self._press(model.run))
        self.run_button.button_style = "primary"
        self.stop_button = _button("Stop", "stop", "End after this block", lambda: self._press(model.stop))
        self.continue_button = _button(
            "Continue", "step-forward", model.continue_hint, lambda: self._press(model.go_on), width="100px"
        )
        self.bar = widgets.FloatProgress(min=0, max=1, layout=widgets.Layout(width="220px", height="14px"))
        self.state, self.error, self.note, self.table, self.changed = (widgets.HTML() for _ in range(5))
        self.image = FigureWidget.of(model, model.title)
        self.image.on_click = lambda at: self._press(lambda: model.press(at))
        traitlets.dlink((model, "fraction"), (self.bar, "value"))
        traitlets.dlink((model, "table"), (self.table, "value"))
        traitlets.dlink((model, "message"), (self.error, "value"), html.error)
        traitlets.dlink((model, "note"), (self.note, "value"), html.hint)
        model.observe(self._show_state, ["status", "fraction", "eta", "changed", "results"])
        self.kept = KeptRow(lambda: self._press(self._restore))
        self._show_state()
        super().__init__(self._parts())
        self.add_class("labkit")
        model.observe(lambda _: self.rest_soon(running=model.status == "running"), SHOWN)

    def run(self) -> Job:
        """Start, as the button does; the job of the last line of a cell shows the panel."""
        return self._shown_by(self.model.run())

    def stop(self) -> None:
        self.model.stop()

    def go_on(self) -> Job:
        """Continue from where the last run ended."""
        return self._shown_by(self.model.go_on())

    def settle(self, timeout: float = 60.0) -> None:
        """Wait until the picture shows the current parameters; raises what failed."""
        self.model.settle(timeout)

    def _shown_by(self, job: Job) -> Job:
        job.shown = self
        return job

    @property
    def job(self) -> Job | None:
        return self.model.job

    def still_parts(self) -> list[str]:
        model = self.model
        running = f"running when this was saved, {model.fraction:.0%}"
        state = {"ready": "", "running": running}.get(model.status, model.status)
        seen = in_words(f"{model.title}: last results", model.plotted)
        return [
            still.heading(model.title), still.faint(still.settings_of(model.ran or model)), still.faint(state),
            still.words(model.message), model.table, still.picture(model.picture, seen), still.words(model.note),
        ]  # fmt: skip

    def rest(self) -> None:
        super().rest()
        try:
            self.keeping.write()
            self.kept.show(self.keeping)
        except LabkitError as error:
            self.kept.show(self.keeping, str(error))

    def _ipython_display_(self) -> None:
        """Show the panel, with what it has last shown in this cell unless the code of the cell has started it."""
        if self.keeping.begin(present()[0]):
            self._restore()
        self.kept.show(self.keeping)
        super()._ipython_display_()

    def controls(self, group: str) -> list[widgets.Widget]:
        """A control for each parameter of the model in this group."""
        return [control(self.model, name) for name in parameters(self.model, group)]

    def _parts(self) -> list[widgets.Widget]:
        head = widgets.HTML(CSS + html.head(self.model.title, self.model.hint))
        buttons = [self.run_button, self.stop_button]
        buttons += [self.continue_button] if self.model.continue_hint else []
        row = widgets.HBox([*buttons, self.bar, self.state, self.kept])
        row.layout.align_items, row.layout.flex_flow = "center", "row wrap"
        settings = self._settings()
        settings.layout.flex, settings.layout.min_width = "0 0 384px", "340px"
        shown = [self.changed, self.table, self.image, *self._below()]
        width = "1 1 100%" if self.results_below else "1 1 420px"
        results = widgets.VBox(shown, layout=widgets.Layout(flex=width, min_width="380px"))
        self.image.layout.max_width = "760px"  # at its own size where there is room, not enlarged
        room = widgets.Layout(flex_flow="row wrap", align_items="flex-start", grid_gap="0 8px")
        body = widgets.HBox([settings, results], layout=room)
        card = widgets.VBox([head, row, self.error, body, self.note, self._foot()])
        card.add_class("labkit-card")
        return [card]

    def _below(self) -> list[widgets.Widget]:
        """What stands below the picture, such as what a click on it shows."""
        return []

    def _settings(self) -> widgets.Widget:
        """Controls of the first groups, visible, and those of the others, folded away."""
        names, shown = self.model.visible_groups(), self.model.open_groups
        made: list[widgets.Widget] = []
        for group in names[:shown]:
            made += [widgets.HTML(html.bold(group.capitalize()))] if shown > 1 else []
            made += self.controls(group)
        return widgets.VBox(made + [Fold(group.capitalize(), self.controls(group)) for group in names[shown:]])

    def _foot(self) -> widgets.Widget:
        self.code = Unfolding("Show code", "code", lambda: html.code(self.model.code()))
        self.download = Unfolding("Download", "download", lambda: html.links(self.model.files()))
        self.model.observe(lambda _: self.code.refresh(), "ran")
        self.model.observe(lambda _: self.model.ran or self.code.refresh(), [*parameters(self.model), "status"])
        # files are large: a new result folds them away instead of sending all of them again
        self.model.observe(lambda _: setattr(self.download.toggle, "value", False), "results")
        row = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        return widgets.HBox([self.code, self.download], layout=row)

    def _restore(self) -> None:
        self.keeping.restore()
        self.kept.show(self.keeping)

    def _press(self, action: Callable[[], Any]) -> None:
        self.keeping.by_hand = True
        try:
            action()
        except LabkitError as error:
            self.model.message = str(error)

    def _show_state(self, _: Any = None) -> None:
        model = self.model
        running = model.status in ("running", "stopping")
        self.kept.show(self.keeping)
        self.run_button.disabled, self.stop_button.disabled = running, model.status != "running"
        self.continue_button.disabled = running or model.results is None
        success = "" if model.changed else "success"
        self.bar.bar_style = {"failed": "danger", "done": success}.get(model.status, "")
        self.state.value = html.state(model.status, model.fraction, model.eta, bool(model.changed))
        self.changed.value = html.changed(model.changed, running)
        for part in (self.table, self.image):
            (part.add_class if model.changed else part.remove_class)("labkit-old")


def _button(name: str, icon: str, tooltip: str, action: Callable[[], None], width: str = "90px") -> widgets.Button:
    button = widgets.Button(description=name, icon=icon, tooltip=tooltip, layout=widgets.Layout(width=width))
    button.on_click(lambda _: action())
    return button
