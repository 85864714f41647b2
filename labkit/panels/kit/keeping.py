"""What a panel shows is kept while it works, and comes back when its cell is run again."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import traitlets

from labkit.errors import LabkitError
from labkit.panels.kit.controls import parameters
from labkit.panels.kit.kept import KeptPanel, KeptPanels, name_of
from labkit.panels.kit.model import PanelModel


class Keeping:
    """Keeps the model of a panel that was made of `given`.

    by_hand   whether the panel was used with the mouse or the keyboard
    earlier   what an earlier panel of the same cell has last shown, until it is restored or replaced
    restored  what was restored and is shown now
    """

    def __init__(self, model: PanelModel, given: Any) -> None:
        self.model, self._given = model, given
        self._name, self._panels = "", KeptPanels()
        self.by_hand = False
        self.earlier: KeptPanel | None = None
        self.restored: KeptPanel | None = None
        model.observe(self._start, "status")

    @property
    def continues(self) -> bool:
        """Whether Continue can go on from what is shown."""
        return bool(self.model.continue_hint) and self.model.results is not None

    def begin(self, cell: str) -> bool:
        """Keep the panel of this cell from now on; returns whether kept results should be restored at once."""
        if not cell or self._name:
            return False  # not in a notebook, or shown before
        model = self.model
        values = {name: getattr(model, name) for name in parameters(model)}
        self._name = name_of(cell, type(model), self._given, values)
        self.earlier = self._panels.read(self._name)
        if self.earlier is None or (model.job is not None and not self.earlier.by_hand):
            self.earlier = None  # the code of the notebook computes it again
        return self.earlier is not None and model.job is None

    def restore(self) -> None:
        """Show what was kept; raises LabkitError during a run."""
        model, kept = self.model, self.earlier
        if model.job is not None and model.job.status == "running":
            raise LabkitError("this panel is running; press Stop, or wait for the end")
        if kept is None:
            return
        for name in 2 * [name for name in parameters(model) if name in kept.values]:  # one may set another
            with suppress(traitlets.TraitError):  # of an earlier version
                setattr(model, name, kept.values[name])
        model.bring_back(self._panels.recall(self._name, model.recall), kept.picture, kept.table, kept.note)
        self.restored, self.earlier = kept, None

    def write(self) -> None:
        """Keep what the panel shows; a run that the notebook's code has started replaces none that was made by hand."""
        model = self.model
        if not self._name or not (model.picture or model.table) or model.job is None:
            return
        if self.earlier is not None and not self.by_hand:
            return
        self.earlier = None
        values = {name: getattr(model.ran or model, name) for name in parameters(model)}
        kept = KeptPanel(values, model.picture, model.table, model.note, self.by_hand)
        self._panels.write(self._name, kept, model.keep)

    def _start(self, change: dict) -> None:
        if change["new"] == "running":
            self.restored = None
