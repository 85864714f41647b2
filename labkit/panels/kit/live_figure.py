"""A figure whose axes are drawn once and whose moving artists are drawn often."""

from __future__ import annotations

import io
from collections.abc import Iterable

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from PIL import Image


class LiveFigure:
    """Pictures of a figure in which only the `moving` artists change between two calls of `freeze`.

    Drawing axes, ticks and labels takes some 100 ms, moving a line takes a few: so the former are kept as a background.
    """

    def __init__(self, figure: Figure, moving: Iterable[Artist]) -> None:
        self.figure, self.moving = figure, list(moving)
        for artist in self.moving:
            artist.set_animated(True)
        self._background = None

    def freeze(self) -> None:
        """Draw the background again at the next picture; call it after a change of limits or still artists."""
        self._background = None

    def fresh_png(self) -> bytes:
        """The figure as it is now, with all of it drawn again."""
        self.freeze()
        return self.png()

    def png(self) -> bytes:
        """The figure as it is now."""
        canvas = self.figure.canvas
        if self._background is None:
            canvas.draw()
            self._background = canvas.copy_from_bbox(self.figure.bbox)
        canvas.restore_region(self._background)
        for artist in self.moving:
            (artist.axes or self.figure).draw_artist(artist)
        buffer = io.BytesIO()
        # three bytes per pixel, lightly compressed: time matters more than size
        Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba(), "raw", "RGBA", 0, 1).convert(
            "RGB"
        ).save(buffer, format="png", compress_level=1)
        return buffer.getvalue()
