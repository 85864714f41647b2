"""The figure that a model shows: drawn at the resolution of the screen, with answers to a pointer."""

from __future__ import annotations

import threading
from typing import Any

import traitlets
from matplotlib.figure import Figure

from labkit.panels.kit.live_figure import LiveFigure
from labkit.panels.kit.plotted import Plotted, Pointer
from labkit.panels.kit.style import DPI, to_png

FEWEST = 700  # pixels: a narrower picture is drawn twice as wide, so that a saved one is not coarse
FINEST = 400.0  # dots per inch


class ShownFigure(traitlets.HasTraits):
    """A model's figure, as a PNG in `picture` and as numbers in `plotted`.

    pixels  of the screen that the picture is wide; 0 if there is no screen

    A subclass calls `show`, holds `_drawing` while it changes a figure that was shown, and may override `action` and
    `press`, which answer a click.
    """

    picture = traitlets.Bytes(b"")
    plotted = traitlets.Instance(Plotted, allow_none=True)
    pixels = traitlets.Int(0)

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._drawing = threading.RLock()
        self._figure_shown: Figure | LiveFigure | None = None
        self.observe(lambda _: self.draw_again(), "pixels")

    def show(self, figure: Figure | LiveFigure, png: bytes = b"") -> None:
        """Show a figure; `png` is its picture, if it is drawn already."""
        with self._drawing:
            self._figure_shown = figure
            plain = figure.figure if isinstance(figure, LiveFigure) else figure
            dpi = dots_per_inch(self.pixels, plain.get_figwidth())
            if plain.dpi != dpi:
                plain.set_dpi(dpi)
                png = b""
            if not png:
                png = figure.fresh_png() if isinstance(figure, LiveFigure) else to_png(figure)
            self.plotted, self.picture = Plotted.of(plain), png

    def show_picture(self, png: bytes) -> None:
        """Show a picture that was drawn before, with no answer to a pointer."""
        with self._drawing:
            self._figure_shown, self.plotted, self.picture = None, None, png

    def draw_again(self) -> None:
        """Draw the figure for the current screen."""
        with self._drawing:
            if self._figure_shown is not None and self.picture:
                self.show(self._figure_shown)

    def hover(self, at: Pointer) -> tuple[str, str]:
        """The numbers of the point that a pointer is at, and what a click there does; "" for nothing."""
        return (at.hit.text if at.hit else "", self.action(at))

    def action(self, at: Pointer) -> str:
        """What `press` does there, in words that follow "Click: "; "" for nothing."""
        return ""

    def press(self, at: Pointer) -> None:
        """Answer a click."""


def dots_per_inch(pixels: int, inches: float) -> float:
    """The resolution at which a figure has as many pixels as the screen gives it, or twice as many.

    >>> dots_per_inch(0, 7.4), round(dots_per_inch(1280, 6.4), 6), round(dots_per_inch(640, 6.4), 6)
    (150, 200.0, 200.0)
    """
    if pixels <= 0:
        return DPI
    wide = pixels if pixels >= FEWEST else 2 * pixels
    return min(wide * (1 + 1e-9) / inches, FINEST)  # a little more, since Agg rounds down
