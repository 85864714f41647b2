"""A dataset at a glance: its energies, forces and distances, and the shift at which its labels fit."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.datasets.audit import Alignment, Report
from labkit.panels.kit.series import SeriesStyle, series
from labkit.panels.kit.style import BAD, MUTED, TRAIN, dress, legend, new_figure

STYLES = {"forces": series(0), "energy": series(1)}
NAMES = {"forces": "forces", "energy": "energies"}
PAIRS = 6  # the most common kinds of neighbours
FAR = 3.2  # of the sum of covalent radii: farther atoms are not neighbours


def data_figure(report: Report) -> Figure:
    """Three histograms, and the error of the labels against the shift of frames, its minimum marked."""
    figure = new_figure(7.0, 5.4)
    grid = figure.add_gridspec(2, 2)
    axes = [figure.add_subplot(grid[k // 2, k % 2]) for k in range(4)]
    _histogram(axes[0], report.values["energy"], "energy − median [eV/atom]", "Energies", centre=True)
    _histogram(axes[1], report.values["forces"], "|F| [eV/Å]", "Forces")
    _distances(axes[2], report)
    _alignment(axes[3], report)
    return figure


def _histogram(axes: Axes, values: np.ndarray, xlabel: str, title: str, centre: bool = False) -> None:
    dress(axes, xlabel, "count", title)
    if not len(values):
        _empty(axes, "no labels")
        return
    shown = values - np.median(values) if centre else values
    axes.hist(shown, bins=min(60, max(10, len(values) // 10)), color=TRAIN, alpha=0.8, linewidth=0)
    axes.set_yscale("log" if not centre and len(values) > 1000 else "linear")  # the tail of the forces is what matters
    axes.tick_params(which="minor", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _distances(axes: Axes, report: Report) -> None:
    dress(axes, "distance / sum of covalent radii", "share of atoms", "Nearest neighbours")
    kinds = {k.removeprefix("nearest "): v for k, v in report.values.items() if k.startswith("nearest ")}
    if not kinds:
        _empty(axes, "no neighbours")
        return
    commonest = sorted(kinds, key=lambda kind: -len(kinds[kind]))[:PAIRS]
    low = min(kinds[kind].min() for kind in commonest)
    high = max(np.quantile(kinds[kind], 0.99) for kind in commonest)
    bins = np.linspace(low - 0.02, min(high, FAR) + 0.02, 90)
    for k, kind in enumerate(commonest):
        weights = np.full(len(kinds[kind]), 1 / len(kinds[kind]))
        axes.hist(kinds[kind], bins=bins, weights=weights, label=kind, **series(k).filled())
    axes.axvline(1, color=MUTED, linewidth=0.8, linestyle=":", zorder=0)
    legend(axes, handlelength=1.0)
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _alignment(axes: Axes, report: Report) -> None:
    dress(axes, "shift of labels [frames]", "unexplained share", "Do labels belong to their frames?")
    if not report.alignments:
        _empty(axes, "not tested")
        return
    for found in report.alignments:
        known = np.isfinite(found.error)
        look = STYLES[found.label]
        axes.plot(found.shifts[known], found.error[known], **look.line(), linewidth=1.1, label=NAMES[found.label])
        _mark(axes, found, look)
    axes.axvline(0, color=MUTED, linewidth=0.8, linestyle=":", zorder=0)
    axes.set_ylim(0, 1.35)
    axes.set_yticks([0, 0.5, 1])
    legend(axes, handlelength=1.2)


def _mark(axes: Axes, found: Alignment, look: SeriesStyle) -> None:
    """A point at the minimum; red, with its number, if labels are shifted."""
    shifted = found.verdict == "shifted"
    at = (found.best, found.at(found.best))
    style = look.dots() | ({"color": BAD} if shifted else {})
    axes.plot(*at, **style, markersize=6, markeredgecolor="white", zorder=3)
    if shifted:
        left = found.best > 0.4 * found.shifts[-1]
        axes.annotate(
            f"{found.best:+d}", at, xytext=(-7 if left else 7, 0), textcoords="offset points", color=BAD, fontsize=9,
            ha="right" if left else "left", va="center", fontweight="bold",
        )  # fmt: skip


def _empty(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=MUTED, fontsize=9)
    axes.set(xticks=[], yticks=[])
