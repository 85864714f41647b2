"""The look of the k-th curve of a picture: never told by colour alone."""

from __future__ import annotations

from typing import Any, NamedTuple

from labkit.panels.kit.style import FORCE, INK, TRAIN, VALID

COLOURS = (TRAIN, VALID, FORCE, INK, "#8a5a9e", "#b0902c", "#c2506a", "#4aa3b5")
#: pieces of a dashed line and the gaps between them, in line widths; dashes of equal length are left to references
DASHES: tuple[Any, ...] = (
    "-", (0, (7, 1.6)), (0, (1.4, 1.4)), (0, (7, 1.6, 1.4, 1.6)), (0, (7, 1.6, 1.4, 1.6, 1.4, 1.6)), (0, (14, 2)),
    (0, (3, 1.4, 1.4, 1.4)), (0, (1.4, 3)),
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
GLYPHS = dict(zip(MARKERS, "●■▲◆▼✚✖⬟", strict=True))


class SeriesStyle(NamedTuple):
    """Colour, line style and marker of a series; its methods give the arguments of Axes.plot.

    >>> series(1).dots()
    {'color': '#e07b39', 'linestyle': 'none', 'marker': 's'}
    """

    colour: str
    dashes: Any
    marker: str

    @property
    def glyph(self) -> str:
        """The marker as a letter, for a line of text."""
        return GLYPHS[self.marker]

    def line(self) -> dict[str, Any]:
        """A smooth curve."""
        return {"color": self.colour, "linestyle": self.dashes}

    def dots(self) -> dict[str, Any]:
        """Points alone."""
        return {"color": self.colour, "linestyle": "none", "marker": self.marker}

    def joined(self) -> dict[str, Any]:
        """Points joined by a line."""
        return {"color": self.colour, "linestyle": self.dashes, "marker": self.marker}

    def marked(self) -> dict[str, Any]:
        """A curve that is too rough for dashes, or one beside dashed references: with a marker now and then."""
        sparse = {"marker": self.marker, "markersize": 4.0, "markevery": 0.16}
        return {"color": self.colour, "linestyle": "-"} | (sparse if self.dashes != "-" else {})

    def reference(self) -> dict[str, Any]:
        """What the series is compared with: dashed, with its marker hollow."""
        sparse = {"marker": self.marker, "markersize": 4.0, "markevery": 0.16, "markerfacecolor": "white"}
        return {"color": self.colour, "linestyle": "--"} | (sparse if self.dashes != "-" else {})

    def filled(self, alpha: float = 0.35) -> dict[str, Any]:
        """A histogram: the outline as a curve, and a pale area."""
        return {"histtype": "stepfilled", "edgecolor": self.colour, "facecolor": (self.colour, alpha),
                "linestyle": self.dashes, "linewidth": 1.2}  # fmt: skip


def series(k: int, colour: str = "") -> SeriesStyle:
    """The style of series number k = 0, 1, 2, ..., with this colour if one is given.

    Colour, dashes and marker all differ between any two of the first eight; colour and dashes between any of the first
    sixty-four.
    """
    row, turn = k % len(COLOURS), k // len(COLOURS)
    return SeriesStyle(colour or COLOURS[row], DASHES[(row + turn) % len(DASHES)], MARKERS[(row + turn) % len(MARKERS)])


#: of training and validation frames
SETS = {"train": series(0), "valid": series(1)}
