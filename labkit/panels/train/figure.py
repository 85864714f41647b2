"""Parity of energies and forces, and how their errors fall with the frames, in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.panels.kit.series import SETS
from labkit.panels.kit.style import GRID, MUTED, SET_NAMES, dress, legend, new_figure

if TYPE_CHECKING:
    from labkit.gap.incremental_fit import IncrementalFit

SHOWN = 2000  # points of one set in a plot: more would only slow it down


class Predicted(Protocol):
    """What a parity plot shows: {'train': ..., 'valid': ...} as of Design.predictions."""

    predictions: dict[str, dict[str, np.ndarray]]


def parity_figure(fit: IncrementalFit, total: int) -> Figure:
    """Two parity plots above two curves of RMSE against the number of training frames, which ends at `total`."""
    figure = new_figure(7.0, 5.4)
    figure.set_layout_engine("none")  # laid out by hand: four times faster than a layout engine at every frame
    grid = figure.add_gridspec(2, 2, height_ratios=(1.75, 1), left=0.1, right=0.985, top=0.945, bottom=0.09)
    grid.update(wspace=0.26, hspace=0.38)
    quantities = [name for name in ("energy", "forces") if ("train", name) in fit.errors.index]
    for column, quantity in enumerate(quantities):
        parity(figure.add_subplot(grid[0, column]), fit, quantity)
        _curve(figure.add_subplot(grid[1, column]), fit, quantity, total)
    return figure


def parity(axes: Axes, fit: Predicted, quantity: str) -> None:
    """Predictions of "energy" or "forces" over the labels."""
    axes.set_gid(quantity)
    pairs = {name: points(found, quantity) for name, found in fit.predictions.items()}
    shift = np.nanmean(pairs["train"][0]) if quantity == "energy" else 0.0
    if quantity == "energy":
        dress(axes, "reference energy − mean [eV/atom]", "predicted − mean [eV/atom]", "Energy")
    else:
        dress(axes, "reference force component [eV/Å]", "predicted [eV/Å]", "Forces")
    both = np.concatenate([np.concatenate(pair) for pair in pairs.values()]) - shift
    if not np.isfinite(both).any():
        return
    low, high = np.nanmin(both), np.nanmax(both)
    margin = 0.05 * (high - low) or 1e-3
    ends = (low - margin, high + margin)
    axes.plot(ends, ends, color=MUTED, linewidth=0.8, zorder=1)
    size = 3.5 if quantity == "energy" else 1.6
    for name, (true, predicted) in reversed(pairs.items()):  # training points, nearer to the line, on top
        step = spacing(len(true))
        axes.plot(
            true[::step] - shift, predicted[::step] - shift, markersize=size, **SETS[name].dots(),
            alpha=0.55, markeredgewidth=0, label=SET_NAMES[name], gid=name, zorder=2,
        )  # fmt: skip
    axes.set(xlim=ends, ylim=ends)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    handles, labels = axes.get_legend_handles_labels()
    legend(axes, handles[::-1], labels[::-1], loc="upper left", handletextpad=0.2, markerscale=6 / size)


def spacing(count: int) -> int:
    """Every how many of `count` points are drawn."""
    return max(1, count // SHOWN)


def points(found: dict[str, np.ndarray], quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions: eV/atom, or eV/Å by component."""
    true, predicted = found[f"{quantity}_true"], found[quantity]
    if quantity == "energy":
        return true / found["counts"], predicted / found["counts"]
    return true.ravel(), predicted.ravel()


def _curve(axes: Axes, fit: IncrementalFit, quantity: str, total: int) -> None:
    unit = fit.errors.loc[("train", quantity), "unit"]
    dress(axes, "training frames", f"RMSE [{unit}]")
    for name in fit.predictions:
        row = (name, quantity)
        seen = [(n, errors.loc[row, "rmse"]) for n, errors in fit.curve if row in errors.index]
        if seen:
            axes.plot(
                *zip(*seen, strict=True), **SETS[name].joined(), markersize=3.5, linewidth=1.4,
                label=SET_NAMES[name],
            )  # fmt: skip
    axes.set_xlim(0, total * 1.03)
    axes.set_ylim(bottom=0)
    axes.grid(axis="x", visible=False)
    axes.yaxis.grid(color=GRID)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
