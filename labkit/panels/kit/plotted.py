"""What a picture shows, in numbers: its axes and the points of its curves, for a pointer to find."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

REACH = 14.0  # screen pixels within which a pointer finds a point
PER_INCH = 100.0  # screen pixels, as in `new_figure`


@dataclass(frozen=True, eq=False)
class PlottedAxes:
    """Axes in a picture.

    name  gid of the axes, or their title
    box   left, top, right, bottom as fractions of the picture, from its upper left corner
    x, y  (low, high, whether logarithmic), and `labels` of both, as in "energy [eV]"
    """

    name: str
    box: tuple[float, float, float, float]
    x: tuple[float, float, bool]
    y: tuple[float, float, bool]
    labels: tuple[str, str]

    def place(self, x: Any, y: Any) -> np.ndarray:
        """Fractions of the picture (..., 2) at these data coordinates; NaN where a logarithm has none."""
        left, top, right, bottom = self.box
        across, up = (_part(values, side) for values, side in ((x, self.x), (y, self.y)))
        return np.stack([left + across * (right - left), bottom - up * (bottom - top)], -1)


@dataclass(frozen=True, eq=False)
class Series:
    """The points of a curve, `x` and `y` (n,), in the axes of this number; `name` is the artist's gid, or its label."""

    axes: int
    name: str
    label: str
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Hit:
    """A point that was found: number `index` of the series `name`, `place` in the picture, and its numbers as text."""

    name: str
    index: int
    x: float
    y: float
    place: tuple[float, float]
    text: str


@dataclass(frozen=True)
class Pointer:
    """Where a pointer is: the name of the axes, data coordinates, and the nearest point within reach, if any."""

    axes: str
    x: float
    y: float
    hit: Hit | None = None


@dataclass(frozen=True, eq=False)
class Plotted:
    """Axes and series of a picture of `size` screen pixels, as they were when it was drawn.

    >>> from labkit.panels.kit.style import dress, new_figure
    >>> figure = new_figure(4.0, 3.0)
    >>> _ = dress(figure.add_subplot(), "r [Å]", "E [eV]").plot([1.0, 2.0], [3.0, 4.0], label="pair")
    >>> Plotted.of(figure).pointer(0, 1.99, 3.99).hit.text
    'pair: r 2 Å, E 4 eV'
    """

    size: tuple[float, float]
    axes: tuple[PlottedAxes, ...]
    series: tuple[Series, ...]

    @classmethod
    def of(cls, figure: Figure) -> Plotted:
        """What a figure shows; call it after the figure was drawn, since a layout engine moves axes."""
        width, height = figure.get_size_inches() * PER_INCH
        axes, series = [], []
        for each in figure.axes:
            if each.get_visible() and {each.get_xscale(), each.get_yscale()} <= {"linear", "log"}:
                series += _series(each, len(axes))
                axes.append(_axes(each))
        return cls((float(width), float(height)), tuple(axes), tuple(series))

    def words(self) -> str:
        """What a picture shows, for those who do not see it: each axes with its curves and where these begin and end.

        >>> from labkit.panels.kit.style import dress, new_figure
        >>> figure = new_figure(4.0, 3.0)
        >>> axes = dress(figure.add_subplot(), "r [Å]", "E [eV]", "Bond")
        >>> lines = axes.plot([1.0, 2.0], [3.0, 4.0], label="pair")
        >>> Plotted.of(figure).words()
        'Bond: E in eV over r in Å; pair from 3 to 4.'
        """
        return " ".join(_words(axes, [s for s in self.series if s.axes == k]) for k, axes in enumerate(self.axes))

    def pointer(self, axes: int, x: float, y: float) -> Pointer:
        """What is at these data coordinates of the axes of this number."""
        return Pointer(self.axes[axes].name, x, y, self._nearest(axes, x, y))

    def _nearest(self, number: int, x: float, y: float) -> Hit | None:
        axes, best, found = self.axes[number], REACH, None
        here = axes.place(x, y)
        for series in self.series:
            if series.axes != number or not len(series.x):
                continue
            places = axes.place(series.x, series.y)
            far = np.linalg.norm((places - here) * self.size, axis=-1)
            far[~np.isfinite(far)] = np.inf
            k = int(far.argmin())
            if far[k] <= best and _inside(places[k], axes.box):
                point = float(series.x[k]), float(series.y[k])
                best, found = far[k], Hit(series.name, k, *point, tuple(places[k]), _text(series, axes, *point))
        return found


def _axes(axes: Axes) -> PlottedAxes:
    box = axes.get_position()
    x, y = ((*limits, scale == "log") for limits, scale in
            ((axes.get_xlim(), axes.get_xscale()), (axes.get_ylim(), axes.get_yscale())))  # fmt: skip
    name = axes.get_gid() or axes.get_title(loc="left")
    labels = plain(axes.get_xlabel()), plain(axes.get_ylabel())
    return PlottedAxes(name, (box.x0, 1 - box.y1, box.x1, 1 - box.y0), x, y, labels)


def _series(axes: Axes, number: int) -> Iterator[Series]:
    """Lines, dots and error bars in data coordinates that have a gid or a label; guides have none."""
    bars = {c[0]: c.get_label() for c in axes.containers if isinstance(c, ErrorbarContainer) and c[0] is not None}
    for artist in axes.get_children():
        if not artist.get_visible():
            continue
        if isinstance(artist, Line2D) and artist.get_transform() == axes.transData:
            x, y = artist.get_data()
        elif isinstance(artist, PathCollection):
            x, y = np.ma.getdata(artist.get_offsets()).T
        else:
            continue
        label = plain(str(bars.get(artist, artist.get_label())))
        label = "" if label.startswith("_") else label
        if artist.get_gid() or label:
            yield Series(number, artist.get_gid() or label, label, *(np.array(v, float) for v in (x, y)))


def _part(values: Any, side: tuple[float, float, bool]) -> np.ndarray:
    low, high, logarithmic = side
    values = np.asarray(values, float)
    if logarithmic:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(values / low) / np.log(high / low)
    return (values - low) / (high - low)


def _inside(place: np.ndarray, box: tuple[float, float, float, float]) -> bool:
    left, top, right, bottom = box
    return bool(left - 1e-9 <= place[0] <= right + 1e-9 and top - 1e-9 <= place[1] <= bottom + 1e-9)


def _text(series: Series, axes: PlottedAxes, x: float, y: float) -> str:
    numbers = ", ".join(_quantity(label, value) for label, value in zip(axes.labels, (x, y), strict=True))
    return f"{series.label}: {numbers}" if series.label else numbers


def _words(axes: PlottedAxes, curves: list[Series]) -> str:
    x, y = (label.replace(" [", " in ").rstrip("]") for label in axes.labels)
    head = " over ".join(filter(None, [y, x]))
    told = [head] if head else []
    for series in curves:
        seen = series.y[np.isfinite(series.y)]
        ends = f" from {seen[0]:.3g} to {seen[-1]:.3g}" if len(seen) > 1 else f" {seen[0]:.3g}" if len(seen) else ""
        told.append((series.label or series.name) + ends)
    return (f"{axes.name}: " if axes.name else "") + "; ".join(told) + "."


def _quantity(label: str, value: float) -> str:
    """
    >>> _quantity("energy [eV]", 1.23456), _quantity("", 2.0)
    ('energy 1.235 eV', '2')
    """
    name, _, unit = label.partition(" [")
    return " ".join(filter(None, [name, f"{value:.4g}", unit.rstrip("]")]))


def plain(text: str) -> str:
    r"""Text without the marks of matplotlib's mathematical text.

    >>> plain(r"$k_\mathrm{B}T\,M$ [nm²/ns]")
    'kBT M [nm²/ns]'
    """
    return re.sub(r"\\mathrm|[${}_]", "", text.replace(r"\,", " ")).replace("\\", "") if "$" in text else text
