"""Names, tooltips and states of controls for keyboards and screen readers, which ipywidgets does not give them."""

from __future__ import annotations

from pathlib import Path

import anywidget
import ipywidgets as widgets


class PageNames(anywidget.AnyWidget):
    """A widget without a look that completes the card it lies in, and what is added to the card later.

    Controls get the name, unit and help of their row (see `controls.control`), sliders say their value as their field
    does, buttons say whether they are pressed, and keys pressed on them are not commands of JupyterLab.
    """

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

    def __init__(self) -> None:
        super().__init__(layout=widgets.Layout(display="none"))
