"""The line of a panel that says where restored results come from, or offers them."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from labkit.panels.kit import html
from labkit.panels.kit.keeping import Keeping


class KeptRow(widgets.HBox):
    """The date of results kept from an earlier panel of the cell, and a button that shows them; hidden without any."""

    def __init__(self, restore: Callable[[], None]) -> None:
        self.words = widgets.HTML()
        self.button = widgets.Button(description="Show them", icon="history", layout=widgets.Layout(width="120px"))
        self.button.on_click(lambda _: restore())
        place = widgets.Layout(align_items="center", display="none", margin="0 0 0 10px")
        super().__init__([self.words, self.button], layout=place)

    def show(self, keeping: Keeping, error: str = "") -> None:
        """Show what is kept, or why nothing can be."""
        text, restored, earlier = error, keeping.restored, keeping.earlier
        if restored is not None:
            again = "Run computes them again."
            if keeping.continues:
                again = "Continue goes on from there, Run starts again."
            text = f"Results of {restored.date}, kept from before. {again}"
        elif earlier is not None:
            text = f"This panel has kept results of {earlier.date}."
        self.words.value = html.hint(text)
        self.button.layout.display = "inline-flex" if restored is None and earlier is not None else "none"
        self.layout.display = "flex" if text else "none"
