"""A training in one picture: parity of energies and forces, loss, learning rate and errors against the step."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.gap.metrics import UNITS
from labkit.neural import WatchedTraining
from labkit.panels.kit.style import (
    BAD,
    FORCE,
    INK,
    MUTED,
    SET_NAMES,
    TRAIN,
    VALID,
    dress,
    legend,
    log_ticks,
    new_figure,
)
from labkit.panels.train.figure import parity

DRAWN = 600  # steps of the loss that are drawn
SMOOTH = 20  # of them are averaged
LOOKS = {"train": (TRAIN, "o", "-"), "valid": (VALID, "s", (0, (7, 1.6)))}


def training_figure(found: WatchedTraining) -> Figure:
    """Parity above; below, loss and learning rate, and the RMSE of energies and forces of both sets."""
    figure = new_figure(7.4, 5.8)
    figure.set_layout_engine("none")  # laid out by hand: faster
    rows = figure.add_gridspec(
        2, 1, height_ratios=(1.6, 1), left=0.095, right=0.985, top=0.95, bottom=0.085, hspace=0.3
    )
    quantities = [name for name in ("energy", "forces") if ("train", name) in found.errors.index]
    above = rows[0].subgridspec(1, 2, wspace=0.27)
    for column, quantity in enumerate(quantities):
        parity(figure.add_subplot(above[0, column]), found, quantity)
    below = rows[1].subgridspec(1, 3, wspace=0.42)
    loss, rate = (figure.add_subplot(cell) for cell in below[0].subgridspec(2, 1, height_ratios=(2.2, 1), hspace=0.14))
    _loss(loss, found)
    _rate(rate, found)
    for column, quantity in enumerate(quantities, 1):
        _curve(figure.add_subplot(below[column]), found, quantity)
    return figure


def smooth(losses: np.ndarray, over: int = SMOOTH) -> np.ndarray:
    """The mean of each loss and up to `over` - 1 losses before it.

    >>> smooth(np.array([4.0, 2.0, 3.0]), 2).tolist()
    [4.0, 3.0, 2.5]
    """
    total = np.concatenate([[0.0], np.cumsum(losses)])
    ends = np.arange(1, len(losses) + 1)
    begins = np.maximum(ends - over, 0)
    return (total[ends] - total[begins]) / (ends - begins)


def _loss(axes: Axes, found: WatchedTraining) -> None:
    axes.set_gid("loss")
    dress(axes, "", "loss", "Loss and learning rate")
    axes.tick_params(labelbottom=False)
    losses = np.array(found.losses)
    known = np.isfinite(losses)
    _steps(axes, found)
    if not known.any():
        return
    every = max(1, len(losses) // DRAWN)
    steps, shown = np.arange(1, len(losses) + 1)[known][::every], losses[known][::every]
    axes.plot(steps, shown, color=MUTED, linewidth=0.5, alpha=0.6)
    axes.plot(steps, smooth(losses[known])[::every], color=INK, linewidth=1.4, label="mean of 20 steps")
    if not known.all():
        axes.plot(steps[-1:], shown[-1:], "X", color=BAD, markersize=8, label="not finite")
    log_ticks(axes.yaxis, max(shown.min() / 1.3, 1e-12), shown.max() * 1.3)


def _rate(axes: Axes, found: WatchedTraining) -> None:
    axes.set_gid("rate")
    dress(axes, "step", "rate")
    rates = found.rates
    every = max(1, len(rates) // DRAWN)
    axes.plot(np.arange(1, len(rates) + 1)[::every], rates[::every], color=FORCE, linewidth=1.4, gid="rate")
    axes.set_ylim(0, 1.15 * max(rates, default=1.0))
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    axes.yaxis.get_offset_text().set_fontsize(7)
    axes.yaxis.set_major_locator(MaxNLocator(2))
    _steps(axes, found)


def _curve(axes: Axes, found: WatchedTraining, quantity: str) -> None:
    axes.set_gid(f"{quantity} RMSE")
    dress(axes, "step", f"RMSE [{UNITS[quantity][0]}]", quantity.capitalize())
    seen = []
    for name in found.predictions:
        steps, values = found.curve(name, quantity)
        colour, marker, dashes = LOOKS[name]
        axes.plot(
            steps, values, color=colour, marker=marker, linestyle=dashes, markersize=3.2, linewidth=1.3,
            label=SET_NAMES[name],
        )  # fmt: skip
        seen += values.tolist()
    if positive := [value for value in seen if value > 0]:
        log_ticks(axes.yaxis, min(positive) / 1.2, max(positive) * 1.2)
        legend(axes)
    _steps(axes, found)


def _steps(axes: Axes, found: WatchedTraining) -> None:
    axes.set_xlim(0, 1.04 * max(found.planned, found.steps, 1))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
