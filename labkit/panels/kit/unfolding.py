"""What is folded away behind a button; it opens in the page itself, also while the kernel is busy or gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as widgets

from labkit.errors import LabkitError
from labkit.panels.kit import html


class Fold(widgets.VBox):
    """A button with `title` above `children`, which are shown while it is pressed (by the CSS of the kit)."""

    def __init__(self, title: str, children: Sequence[widgets.Widget]) -> None:
        self.toggle = widgets.ToggleButton(description=title, layout=widgets.Layout(width="auto"))
        self.body = widgets.VBox(children)
        self.body.add_class("labkit-folded")
        super().__init__([self.toggle, self.body])
        self.add_class("labkit-fold")


class Unfolding(widgets.VBox):
    """A toggle above what `content` returns when it is opened or refreshed, or the text of its error."""

    def __init__(self, title: str, icon: str, content: Callable[[], str]) -> None:
        self._content = content
        self.toggle = widgets.ToggleButton(description=title, icon=icon, layout=widgets.Layout(width="130px"))
        self.body = widgets.HTML()
        self.toggle.observe(lambda _: self.refresh(), "value")
        super().__init__([self.toggle, self.body])
        self.add_class("labkit-unfolding")

    def refresh(self) -> None:
        try:
            self.body.value = self._content() if self.toggle.value else ""
        except LabkitError as error:
            self.body.value = html.error(str(error))
