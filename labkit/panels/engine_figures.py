"""Pictures of the speed of batches and of replica exchange, as the last line of a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from IPython.display import Image
from matplotlib.axes import Axes

from labkit.panels.kit.series import series
from labkit.panels.kit.style import INK, MUTED, dress, legend, log_ticks, new_figure, notebook_image


def scaling_figure(replicas: pd.DataFrame, atoms: pd.Series) -> Image:
    """Left: steps × replicas per second over replicas, a line for each column; right: ms per step over atoms."""
    figure = new_figure(7.6, 3.6)
    left, right = figure.subplots(1, 2)
    dress(left, "replicas", "steps × replicas / s", "Batches")
    for k, name in enumerate(replicas):
        left.plot(replicas.index, replicas[name], **series(k).joined(), markersize=4, label=name)
    log_ticks(left.xaxis, 0.8 * replicas.index.min(), 1.3 * replicas.index.max())
    log_ticks(left.yaxis, 0.5 * replicas.min().min(), 3.0 * replicas.max().max())
    dress(right, "atoms", "ms / step", "Size")
    right.plot(atoms.index, atoms, **series(0).joined(), markersize=4, label="water, measured")
    right.plot(atoms.index, atoms.iloc[-1] * atoms.index / atoms.index[-1], "--", color=MUTED, label="∝ atoms")
    log_ticks(right.xaxis, 0.8 * atoms.index.min(), 1.3 * atoms.index.max())
    log_ticks(right.yaxis, 0.4 * atoms.min(), 2.5 * atoms.max())
    for axes in (left, right):
        legend(axes, loc="upper left")
    return notebook_image(figure)


def exchange_figure(table: pd.DataFrame, walkers: Any, every: float, acceptance: Any, shown: int = 80) -> Image:
    """Populations over temperature, and the places of some walkers over time.

    table    over temperature [K]: a column for each method of computing populations, "exact" among them
    walkers  (T, R) the walker at each of R places, every `every` ps; the last `shown` rows are drawn
    acceptance (R - 1,) of each place with the one above
    """
    figure = new_figure(7.6, 3.6)
    left, right = figure.subplots(1, 2)
    dress(left, "temperature [K]", "share of cis", "Populations")
    for k, name in enumerate(table.columns.drop("exact")):
        left.plot(table.index, table[name], **series(k).dots(), markersize=6, label=name)
    left.plot(table.index, table["exact"], "-", color=INK, linewidth=1, label="exact")
    left.set_ylim(-0.03, max(0.75, 1.1 * table.max().max()))
    _paths(right, np.asarray(walkers), every, table.index.to_numpy(), shown)
    for place, rate in enumerate(np.asarray(acceptance)):
        beside = {"transform": right.get_yaxis_transform(), "fontsize": 8, "color": MUTED, "va": "center"}
        right.text(1.01, place + 0.5, f"{rate:.0%}", **beside)
    legend(left, loc="upper left")
    return notebook_image(figure)


def _paths(axes: Axes, walkers: np.ndarray, every: float, temperatures: np.ndarray, shown: int) -> None:
    dress(axes, "time [ps]", "temperature [K]", "Paths of three walkers; share accepted")
    names = np.sort(walkers[0])
    places = np.argsort(walkers, axis=1)[-shown:]  # (T, R): where each walker is
    time = every * np.arange(len(walkers))[-shown:]
    for k, walker in enumerate((0, len(names) // 2, len(names) - 1)):
        axes.step(time, places[:, walker], **series(k).line(), linewidth=1.3, where="post", alpha=0.9)
    axes.set_yticks(range(len(temperatures)), [f"{t:.0f}" for t in temperatures])
