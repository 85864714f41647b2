"""Overlay of pinned runs: errors side by side, and one of their curves."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.panels.kit.series import series
from labkit.panels.kit.style import dress, legend, log_ticks, new_figure
from labkit.runs import FitRecord


def overlay(pinned: list[tuple[str, FitRecord]], curve: str) -> Figure:
    """RMSE of two quantities of each run, full marks for training and empty ones for validation; the chosen curve."""
    figure = new_figure(8.6, 3.4)
    quantities = list(dict.fromkeys(found for _, run in pinned for found in run.quantities))[:2]
    *beside, last = figure.subplots(
        1, len(quantities) + 1, width_ratios=(*(1 for _ in quantities), 1.9), squeeze=False
    )[0]
    for ax, (quantity, unit) in zip(beside, quantities, strict=True):
        _errors(ax, pinned, quantity, unit, first=ax is beside[0])
    _curves(last, pinned, curve)
    return figure


def _errors(axes: Axes, pinned: list[tuple[str, FitRecord]], quantity: str, unit: str, first: bool) -> None:
    dress(axes, f"{quantity} RMSE [{unit}]", "", "Errors" if first else "")
    for row, (_, run) in enumerate(pinned):
        look = series(row)
        for which, fill in (("train", look.colour), ("valid", "white")):
            value = run.rmse(which, quantity)
            if value is not None and np.isfinite(value):
                axes.plot(value, row, **look.dots(), markersize=7, markerfacecolor=fill, markeredgewidth=1.6)
    axes.set(ylim=(len(pinned) - 0.4, -0.6), xlim=(0, 1.08 * axes.get_xlim()[1]))
    axes.set_yticks(range(len(pinned)), [label for label, _ in pinned] if first else [])
    axes.xaxis.set_major_locator(MaxNLocator(4))


def _curves(axes: Axes, pinned: list[tuple[str, FitRecord]], curve: str) -> None:
    x_label, _, y_label = curve.partition(" -> ")
    dress(axes, x_label, y_label, "Overlay")
    low, high = [], []
    for row, (label, run) in enumerate(pinned):
        if curve in run.curves:
            x, y = (np.asarray(values, float) for values in run.curves[curve])
            seen = np.isfinite(x) & np.isfinite(y)
            if not seen.any():
                continue
            x, y = x[seen], y[seen]
            axes.plot(x, y, **series(row).line(), linewidth=1.5, label=label)
            low, high = [*low, min(x)], [*high, max(x)]
    if not low:
        return
    if min(low) > 0 and max(high) / min(low) > 50:
        log_ticks(axes.xaxis, min(low), max(high))
    legend(axes)
