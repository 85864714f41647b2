"""Pictures for spectra: whether a trajectory stays within the training data, and the spread of models outside."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from IPython.display import Image

from labkit.panels.kit.style import (
    BAD,
    MUTED,
    TRAIN,
    VALID,
    dress,
    legend,
    log_ticks,
    new_figure,
    notebook_image,
)

BINS = 36
DIAGONAL, OFF = ([0, 1, 2], [0, 1, 2]), ([0, 0, 1], [1, 2, 2])


def reach_figure(
    known: np.ndarray,
    found: np.ndarray,
    spreads: Mapping[str, np.ndarray],
    errors: Mapping[str, float],
    unit: str = "Å³",
) -> Image:
    """Components of the training labels and of the predictions; spreads of several sets, with known errors.

    known    (F, 3, 3) labels
    found    (..., 3, 3) predicted along trajectories
    spreads  {name: (F, 3, 3)} by a committee
    errors   {name: RMSE over components}, of some of them
    """
    figure = new_figure(8.6, 2.9)
    left, middle, right = figure.subplots(1, 3)
    for axes, (a, b), title in ((left, DIAGONAL, "xx, yy, zz"), (middle, OFF, "xy, xz, yz")):
        parts = [values[..., a, b].ravel() for values in (known, found)]
        low, high = (side(np.concatenate(parts)) for side in (np.min, np.max))
        bins = np.linspace(low, high, BINS + 1)
        dress(axes, f"component [{unit}]", "", title).set_yticks([])
        axes.hist(parts[0], bins, density=True, color=MUTED, alpha=0.45, label="labels trained on")
        axes.hist(parts[1], bins, density=True, histtype="step", color=TRAIN, linewidth=1.5, label="trajectory")
        axes.set_ylim(top=1.25 * axes.get_ylim()[1])  # room for the legend
    dress(right, f"spread of the models [{unit}]", "", "Spread, and error (×)")
    sizes = {name: np.sqrt(np.square(values).mean((-2, -1))).ravel() for name, values in spreads.items()}
    low, half, high = np.array([np.quantile(size, [0.05, 0.5, 0.95]) for size in sizes.values()]).reshape(-1, 3).T
    rows, known = range(len(sizes)), [errors.get(name, np.nan) for name in sizes]
    right.hlines(rows, low, high, color=VALID, linewidth=5, alpha=0.4, capstyle="round")
    right.plot(half, rows, "o", color=VALID, markersize=6)
    right.plot(known, rows, "x", color=BAD, markersize=7, markeredgewidth=1.8)
    all_sizes = np.concatenate([*sizes.values(), list(errors.values()) or [np.nan]])
    log_ticks(right.xaxis, 0.7 * np.nanmin(all_sizes), 1.4 * np.nanmax(all_sizes))
    right.set_yticks(range(len(sizes)), list(sizes), fontsize=8)
    right.set_ylim(len(sizes) - 0.5, -0.5)
    legend(left, fontsize=7.5, loc="upper left")
    return notebook_image(figure, 860)
