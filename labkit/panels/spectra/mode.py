"""The normal mode behind a peak: which one a click means, and its motion in the viewer."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import traitlets

from labkit.panels.kit import html
from labkit.panels.kit.plotted import Pointer
from labkit.panels.kit.shown_figure import ShownFigure
from labkit.panels.spectra.figure import ROWS
from labkit.panels.structure.view import StructurePanel
from labkit.spectra.modes import AMPLITUDE
from labkit.spectra.spectra_run import SpectraRun
from labkit.spectra.spectra_set import LOWEST, SpectraSet

NEAR = 40.0  # cm⁻¹: the strongest mode so near to a click is the one that is meant
FRAME = 60  # ms between two frames of a mode


class ShowsModes(ShownFigure):
    """A model of spectra in which a click chooses a harmonic mode of the minimum: its number is `mode`.

    The subclass has the run as `results`, and the spectra of its picture as `shown`.
    """

    mode = traitlets.Int(None, allow_none=True)
    results: SpectraRun | None
    shown: SpectraSet | None

    def mode_at(self, at: Pointer) -> int | None:
        """The strongest mode within NEAR of a pointer in the spectra of its axes, otherwise the nearest one."""
        if at.axes not in ROWS or self.shown is None or self.results is None or self.results.motions is None:
            return None
        known = self.results.modes.frequency
        strength = np.zeros(len(known))
        for curve in ROWS[at.axes][1]:
            frequency, height = self.shown.sticks.get(curve.name, (np.empty(0), np.empty(0)))
            if len(frequency):
                strength[known > LOWEST] += height / max(height.max(), 1e-300)
        off = np.abs(known - at.x)
        near = off < NEAR
        return int(np.where(near, strength, -off).argmax()) if near.any() else int(off.argmin())

    def action(self, at: Pointer) -> str:
        mode = self.mode_at(at)
        return super().action(at) if mode is None else f"see the mode at {self.results.modes.frequency[mode]:.0f} cm⁻¹"

    def press(self, at: Pointer) -> None:
        mode = self.mode_at(at)
        if mode is None:
            super().press(at)
        else:
            self.mode = mode


class ModeView(widgets.VBox):
    """The mode that was chosen, moving; empty before the first click."""

    def __init__(self, model: ShowsModes) -> None:
        self.model, self.words = model, widgets.HTML()
        self.structure: StructurePanel | None = None
        super().__init__([])
        self.add_class("labkit-mode")
        model.observe(self._show, "mode")

    def _show(self, _: object = None) -> None:
        run, mode = self.model.results, self.model.mode
        if mode is None or run is None or run.motions is None:
            self.children = ()
            return
        first, *others = run.motions.frames(mode)
        if self.structure is None:
            self.structure = StructurePanel([first, *others], height="300px")
            self.structure.play.interval, self.structure.play.repeat = FRAME, True
        else:
            self.structure.model.begin(first)
            for frame in others:
                self.structure.model.append(frame)
        self.words.value = html.hint(
            f"Harmonic mode {mode + 1} of {len(run.modes.frequency)} at {run.modes.frequency[mode]:.0f} cm⁻¹, about "
            f"the minimum of the energy; drawn with an amplitude of {AMPLITUDE:g} Å."
        )
        self.children = (self.words, self.structure)
        self.structure.play.playing = True
