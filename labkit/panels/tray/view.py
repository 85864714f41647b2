"""The run tray: every fit of the session, to pin, overlay and download."""

from __future__ import annotations

import ipywidgets as widgets
import traitlets

from labkit.panels.kit import html, still
from labkit.panels.kit.figure_widget import FigureWidget
from labkit.panels.kit.replaced import Replaced, close
from labkit.panels.kit.style import CSS
from labkit.panels.kit.unfolding import Unfolding
from labkit.panels.tray.model import TrayModel
from labkit.runs import FitRecord, Runs

SHOWN = 12  # newest runs shown; all are in the CSV
OVERLAID = "The pinned runs, overlaid"


class RunTray(Replaced):
    """All fits of this session, of all notebooks, newest on top: `RunTray()` as the last line of a cell.

    A row is pinned by its box. Pinned runs are overlaid; Download has a CSV of all runs, and the
    settings and models of the pinned ones.

    >>> import tempfile
    >>> from labkit.runs import Runs
    >>> RunTray(Runs(tempfile.mkdtemp())).model.files()["runs.csv"]
    b'\\n'
    """

    def __init__(self, store: Runs | None = None) -> None:
        self.model = TrayModel(store)
        hint = "Every fit of the session, newest on top. Pin some to overlay them."
        head = widgets.HTML(CSS + html.head("Run tray", hint))
        self.table = widgets.VBox()
        self.older = widgets.HTML()
        self.differences = widgets.HTML()
        self.image = FigureWidget(alt=OVERLAID, layout=widgets.Layout(width="100%", display="none"))
        self.choice = widgets.Dropdown(description="overlay", layout=widgets.Layout(width="420px", display="none"))
        self.refresh_button = _button("Refresh", "refresh", "Look for runs of other notebooks")
        self.clear_button = _button("Clear", "trash", "Delete all runs that are not pinned, after a question")
        self.question = widgets.HTML()
        self.delete_button = _button("Delete", "trash", "Delete them; Undo brings them back")
        self.delete_button.button_style = "danger"
        self.keep_button = _button("Keep", "", "Delete nothing")
        self.undo_button = _button("Undo", "undo", "Bring back the runs that were deleted last")
        self.refresh_button.on_click(lambda _: self.model.refresh())
        self.clear_button.on_click(lambda _: self._ask(True))
        self.keep_button.on_click(lambda _: self._ask(False))
        self.delete_button.on_click(lambda _: (self._ask(False), self.model.clear()))
        self.undo_button.on_click(lambda _: self.model.undo())
        self.download = Unfolding("Download", "download", lambda: html.links(self.model.files()))
        traitlets.dlink((self.model, "picture"), (self.image, "value"))
        traitlets.dlink((self.model, "differences"), (self.differences, "value"))
        traitlets.dlink((self.model, "picture"), (self.image.layout, "display"), lambda png: "block" if png else "none")
        traitlets.dlink((self.model, "curves"), (self.choice, "options"))
        traitlets.dlink((self.model, "curves"), (self.choice.layout, "display"), lambda all: "flex" if all else "none")
        traitlets.link((self.model, "curve"), (self.choice, "value"), (lambda x: x or None, lambda x: x or ""))
        self.model.observe(lambda _: self._fill(), "version")
        self.model.observe(lambda _: self.download.refresh(), ["version", "pinned", "picture"])
        self._fill()
        buttons = widgets.HBox([self.refresh_button, self.clear_button, self.download])
        asked = widgets.HBox([self.question, self.delete_button, self.keep_button, self.undo_button])
        for row in (buttons, asked):
            row.layout.flex_flow, row.layout.align_items = "row wrap", "flex-start"
        asked.layout.align_items = "center"
        parts = [head, self.table, self.older, buttons, asked, self.choice, self.image, self.differences]
        card = widgets.VBox(parts)
        card.add_class("labkit-card")
        super().__init__([card])
        self.add_class("labkit")
        self.model.observe(lambda _: self.rest_soon(), ["version", "picture"])

    def still_parts(self) -> list[str]:
        rows = self.model.rows()
        errors = rows[-1][1].quantities[:2] if rows else []
        table = [[label, run.name, *describe(run, errors)] for label, run in reversed(rows[-SHOWN:])]
        return [
            still.heading("Run tray"), html.table(heads(errors), table) if rows else "", self.older.value,
            still.picture(self.model.picture, self.image.alt), self.model.differences,
        ]  # fmt: skip

    def _ask(self, asking: bool) -> None:
        """Ask before runs are deleted; after that, say that it can be undone."""
        count, deleted = len(self.model.unpinned), self.model.deleted
        words = f"{deleted} deleted run{'s' * (deleted != 1)} can be brought back." if deleted else ""
        if asking and count:
            words = f"Delete {count} run{'s' * (count != 1)} that {'are' if count != 1 else 'is'} not pinned, of all "
            words += "notebooks of this session?"
        elif asking:
            words = "There is no run that is not pinned."
        self.question.value = html.hint(words)
        shown = {self.delete_button: asking and count, self.keep_button: asking and count}
        for button, on in (shown | {self.undo_button: deleted and not asking}).items():
            button.layout.display = "" if on else "none"

    def _fill(self) -> None:
        rows = self.model.rows()
        errors = rows[-1][1].quantities[:2] if rows else []
        head = [widgets.HTML(html.row(heads(errors), "labkit-run labkit-unit"))] if rows else []
        before = self.table.children
        self.table.children = head + [self._row(label, run, errors) for label, run in reversed(rows[-SHOWN:])]
        close(*before)
        self._ask(False)
        words = [f"{len(rows) - SHOWN} older ones are in the CSV."] if len(rows) > SHOWN else []
        words += [f"{file} cannot be read: {why}." for file, why in self.model.store.refused().items()]
        self.older.value = html.hint(" ".join(words) if rows or words else "No fit yet: press Run in a panel.")

    def _row(self, label: str, run: FitRecord, errors: list[tuple[str, str]]) -> widgets.Widget:
        place = widgets.Layout(width="24px", margin="0 0 0 4px")
        pin = widgets.Checkbox(value=run.key in self.model.pinned, indent=False, tooltip=f"pin {label}", layout=place)
        pin.observe(lambda change: self.model.pin(run.key, change["new"]), "value")
        pin.add_class("labkit-pin")
        text = widgets.HTML(html.row([label, run.name, *describe(run, errors)], "labkit-run"))
        text.layout.flex = "1 1 auto"
        return widgets.HBox([pin, text], layout=widgets.Layout(align_items="center", height="26px"))


def heads(errors: list[tuple[str, str]]) -> list[str]:
    """The headings of the columns of runs."""
    names = [f"{quantity} [{unit}]" for quantity, unit in errors]
    return ["", "run", "frames", "model", "settings", *(names + ["", ""])[:2], "evidence", "time"]


def describe(run: FitRecord, errors: list[tuple[str, str]]) -> list[str]:
    """The cells after number and name; errors without a heading are named in their cell."""
    rmse = []
    for quantity, unit in run.quantities[:2]:
        both = [x for x in (run.rmse("train", quantity), run.rmse("valid", quantity)) if x is not None]
        text = " / ".join(f"{x:.3g}" for x in both)
        rmse.append(text if (quantity, unit) == (errors + [None, None])[len(rmse)] else f"{quantity} {text} {unit}")
    evidence = "" if run.evidence is None else f"{run.evidence:.0f}"
    time = f"{run.seconds:.1f} s" if run.seconds >= 1 else f"{1e3 * run.seconds:.0f} ms"
    settings = run.settings
    return [str(run.frames), settings.kind, settings.summary(), *(rmse + ["", ""])[:2], evidence, time]


def _button(name: str, icon: str, tooltip: str) -> widgets.Button:
    return widgets.Button(description=name, icon=icon, tooltip=tooltip, layout=widgets.Layout(width="100px"))
