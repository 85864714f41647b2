"""Panels of a cell that is run again: the page replaces them, and here they are let go."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

import ipywidgets as widgets
from IPython.display import display
from ipywidgets.widgets.widget import _instances
from ipywidgets.widgets.widget_link import Link

from labkit.panels.kit.follow_slider import FollowSlider
from labkit.panels.kit.page_names import PageNames
from labkit.panels.kit.still import StillOutput

REST = 0.5  # s without a change, after which a still is brought up to date
EVERY = 10.0  # s between two stills during a run

#: the panels that each cell shows, and the execution that showed them
_shown: dict[str, tuple[str, WeakSet[Replaced]]] = {}


class Replaced(widgets.VBox):
    """A card of widgets that is closed when the cell which shows it, and no other, is run again and shows another.

    ipywidgets keeps every widget until it is closed, and IPython every result of a cell; with a panel they would keep
    its data and models. One that a variable of the notebook still holds stays as it is. Beside the card the cell gets
    a still, made of `still_parts`, which is what remains of it without a kernel.
    """

    def __init__(self, children: list[widgets.Widget]) -> None:
        super().__init__([*children, PageNames()])
        self._cells: set[str] = set()
        self.still_output = StillOutput(self.model_id, self.still_parts)
        self._rest = FollowSlider(self.rest, "still", lambda error: None, delay=REST)
        self.add_class(f"labkit-live-{self.model_id}")

    def still_parts(self) -> Iterable[str]:
        """Pieces of HTML that show the card as it is now; see `still`."""
        return ()

    def rest(self) -> None:
        """Called, in a thread, when the card has not changed for REST seconds, and during a run now and then."""
        self.still_output.update()

    def rest_soon(self, *, running: bool = False) -> None:
        """Call `rest` soon; during a run every EVERY seconds."""
        if self.still_output.shown and not (running and time.monotonic() - self.still_output.drawn_at < EVERY):
            self._rest.ask()

    def _ipython_display_(self) -> None:
        display(self._repr_mimebundle_(), raw=True, metadata={"labkit": "card"})  # JupyterLab leaves metadata alone
        self.still_output.show()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        cell, execution = present()
        self._cells.add(cell)
        before, panels = _shown.get(cell, (execution, WeakSet()))
        if before != execution:
            held = WeakSet(x for n, x in _variables().items() if isinstance(x, Replaced) and not n.startswith("_"))
            for panel in [p for p in panels if p is not self and p._cells == {cell} and p not in held]:
                panels.discard(panel)
                panel.let_go()
            panel = held = None
            gc.collect()  # views and models refer to each other
        if cell:
            panels.add(self)
            _shown[cell] = (execution, panels)
        return super()._repr_mimebundle_(**options)

    def let_go(self) -> None:
        """Close all widgets, and remove this from IPython's results."""
        self.still_output.shown = False  # the page keeps the last one
        close(self)
        results, hidden = _variables().get("_oh", {}), getattr(_shell(), "user_ns_hidden", {})
        for names in (results, _variables(), hidden):
            for name in [n for n, x in names.items() if self._is(x) and (names is not _variables() or n[0] == "_")]:
                del names[name]
        hook = getattr(_shell(), "displayhook", None)
        for name in [n for n in ("_", "__", "___") if self._is(getattr(hook, n, None))]:
            setattr(hook, name, "")

    def _is(self, result: Any) -> bool:
        """Whether a result of IPython's is this, or a job that shows it."""
        return result is self or getattr(result, "shown", None) is self


def close(*parts: widgets.Widget) -> None:
    """Close widgets and all that belong to them: children, layouts, styles, attributes, and links between them."""
    waiting, found = list(parts), []
    while waiting:
        widget = waiting.pop()
        if widget in found:
            continue
        found.append(widget)
        values = [getattr(widget, name) for name in widget.keys] + list(vars(widget).values())
        several = [x for value in values for x in (value if isinstance(value, list | tuple) else [value])]
        waiting += [x for x in several if isinstance(x, widgets.Widget)]
    links = [x for x in list(_instances.values()) if isinstance(x, Link)]
    found += [x for x in links if x.source[0] in found or x.target[0] in found]
    for widget in found:
        widget.close()


def present() -> tuple[str, str]:
    """The cell that is running, as the notebook names it, and its execution; empty where there is none."""
    shell = _shell()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return parent.get("metadata", {}).get("cellId") or "", parent.get("header", {}).get("msg_id", "")


def _variables() -> dict[str, Any]:
    return getattr(_shell(), "user_ns", {})


def _shell() -> Any:
    from IPython import get_ipython

    return get_ipython()
