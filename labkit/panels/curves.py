"""Curves in one still picture in a notebook, in the style of the panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from labkit.panels.kit.notebook_picture import NotebookPicture, ShownAsPicture
from labkit.panels.kit.series import series
from labkit.panels.kit.style import dress, legend, new_figure, notebook_image


class Curves(ShownAsPicture):
    """`Curves({"O-O": (r, g)}, "r [Å]", "g(r)")` as the last line of a cell; x and y are (n,) of anything numeric.

    Curves named in `dashed` are references, drawn dashed, the first one in the
    colour of the first other curve; `top` is the upper limit of y.

    >>> Curves({"line": ([0, 1], [0, 1])}, "x [Å]", "y [eV]")
    Curves of line
    """

    def __init__(
        self,
        curves: Mapping[str, tuple[Any, Any]],
        xlabel: str,
        ylabel: str,
        title: str = "",
        *,
        dashed: Sequence[str] = (),
        top: float | None = None,
    ) -> None:
        self.curves, self.labels = dict(curves), (xlabel, ylabel, title)
        self.dashed, self.top = tuple(dashed), top

    def picture(self) -> NotebookPicture:
        return notebook_image(self._figure(), 640)

    def _figure(self) -> Figure:
        figure = new_figure(6.4, 3.4)
        axes = dress(figure.add_subplot(), *self.labels)
        solid, dashed = (map(series, count()) for _ in range(2))
        for name, (x, y) in self.curves.items():
            style = next(dashed).reference() if name in self.dashed else next(solid).marked()
            axes.plot(np.asarray(x), np.asarray(y), linewidth=1.4, label=name, **style)
        if self.top is not None:
            lowest = min(np.asarray(y).min() for _, y in self.curves.values())
            axes.set_ylim(lowest - 0.03 * (self.top - lowest), self.top)
        legend(axes)
        return figure

    def __repr__(self) -> str:
        return f"Curves of {', '.join(self.curves)}"
