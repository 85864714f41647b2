"""A picture on the page that is sharp on every screen and reports what the pointer is at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from labkit.panels.kit.plotted import Plotted, Pointer
from labkit.panels.kit.shown_figure import ShownFigure

CSS = """
.labkit-figure { position: relative; }
.labkit-figure img { display: block; width: 100%; border-radius: 6px; background: white; }
body[data-jp-theme-light="false"] .labkit-figure img { filter: invert(0.87) hue-rotate(180deg); }
.labkit-figure.labkit-atoms-picture img { background: transparent; filter: none !important; }
.labkit-tip { position: absolute; pointer-events: none; z-index: 5; box-sizing: border-box;
  max-width: min(380px, 100%); width: max-content; padding: 3px 8px; border-radius: 5px; font-size: 12px;
  line-height: 1.35; white-space: pre-line; background: #2b3440; color: white; opacity: 0.94;
  border: 1px solid rgb(255 255 255 / 25%); }
.labkit-tip[hidden] { display: none; }
"""


class FigureWidget(anywidget.AnyWidget):
    """Shows the PNG `value`; `plotted` says what is in it.

    pixels    pixels of the screen that the picture is wide, reported by the page; 0 before
    alt       text in place of the picture
    on_hover  what is at a Pointer: (text, what a click does), each "" for nothing
    on_click  called with the Pointer of a click in axes

    It holds no figure: whoever draws observes `pixels` and sets `value` again.
    """

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    _css = CSS

    value = traitlets.Bytes(b"").tag(sync=True)
    axes = traitlets.List().tag(sync=True)
    pixels = traitlets.Int(0).tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    plotted = traitlets.Instance(Plotted, allow_none=True)

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.on_hover: Callable[[Pointer], tuple[str, str]] = lambda at: (at.hit.text if at.hit else "", "")
        self.on_click: Callable[[Pointer], None] = lambda at: None
        self.on_msg(self._receive)

    @classmethod
    def of(cls, model: ShownFigure, alt: str) -> FigureWidget:
        """The figure of a model, hidden until there is one; the model answers the pointer."""
        widget = cls(alt=alt, layout=widgets.Layout(width="100%", display="none"))
        widget.on_hover, widget.on_click = model.hover, model.press
        traitlets.dlink((model, "plotted"), (widget, "plotted"))
        traitlets.dlink((model, "plotted"), (widget, "alt"), lambda plotted: in_words(alt, plotted))
        traitlets.dlink((model, "picture"), (widget, "value"))
        traitlets.dlink((model, "picture"), (widget.layout, "display"), lambda png: "block" if png else "none")
        traitlets.dlink((widget, "pixels"), (model, "pixels"))
        return widget

    @traitlets.observe("plotted")
    def _send_axes(self, _: Any) -> None:
        found = () if self.plotted is None else self.plotted.axes
        self.axes = [{"box": list(axes.box), "x": list(axes.x), "y": list(axes.y)} for axes in found]

    def _receive(self, _: Any, content: dict[str, Any], __: Any) -> None:
        plotted, event = self.plotted, content.get("event")
        if plotted is None or not 0 <= content.get("axes", -1) < len(plotted.axes):
            return
        number, x, y = content["axes"], float(content["x"]), float(content["y"])
        at = plotted.pointer(number, x, y)
        if event == "click":
            self.on_click(at)
        elif event == "hover":
            text, action = self.on_hover(at)
            place = at.hit.place if at.hit else tuple(plotted.axes[number].place(x, y).tolist())
            words = "\n".join(filter(None, [text, f"Click: {action}" if action else ""]))
            self.send({"text": words, "place": list(place), "clickable": bool(action)})


def in_words(title: str, plotted: Plotted | None) -> str:
    """Text in place of a picture."""
    return title if plotted is None else f"{title}. {plotted.words()}"
