"""Curves in one still picture in a notebook, in the style of the panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labkit.panels.kit.style import FORCE, INK, MUTED, TRAIN, VALID, dress, legend, make_room, new_figure, to_png

COLOURS = (TRAIN, VALID, FORCE, INK)


class Curves:
    """`Curves({"O-O": (r, g)}, "r [Å]", "g(r)")` as the last line of a cell; x and y are (n,) of anything numeric.

    Curves named in `dashed` are references, drawn dashed; `top` is the upper limit of y.

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

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        figure = new_figure(6.4, 3.4)
        axes = dress(figure.add_subplot(), *self.labels)
        solid = iter(COLOURS)
        for name, (x, y) in self.curves.items():
            style = {"color": MUTED, "linestyle": "--"} if name in self.dashed else {"color": next(solid, INK)}
            axes.plot(np.asarray(x), np.asarray(y), linewidth=1.4, label=name, **style)
        if self.top is not None:
            lowest = min(np.asarray(y).min() for _, y in self.curves.values())
            axes.set_ylim(lowest - 0.03 * (self.top - lowest), self.top)
        legend(axes)
        make_room(axes)
        return to_png(figure), {"width": 640}

    def __repr__(self) -> str:
        return f"Curves of {', '.join(self.curves)}"
