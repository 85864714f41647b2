"""The loss and the charges over the evaluations of a fit; what gradients cost in memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from IPython.display import Image
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from labkit.engine.matching import Matching
from labkit.panels.kit.series import series
from labkit.panels.kit.style import BAD, FORCE, TRAIN, VALID, dress, legend, new_figure, notebook_image

COLOURS = (BAD, VALID, TRAIN, FORCE)


def recover_figure(fit: Matching, truth: Mapping[str, float]) -> Figure:
    """Loss on the left, charges on the right with the true ones dashed."""
    figure = new_figure(7.6, 3.6)
    left, right = figure.subplots(1, 2)
    steps = np.arange(1, len(fit.losses) + 1)
    dress(left, "evaluation", "loss / first loss", "How far the ends are apart")
    left.semilogy(steps, np.maximum(fit.losses, 1e-18), "o-", color=TRAIN, markersize=4)
    dress(right, "evaluation", "charge [e]", "Charges, and the true ones")
    for k, ((name, value), path) in enumerate(zip(truth.items(), np.transpose(fit.values), strict=True)):
        look = series(k, COLOURS[k % len(COLOURS)])
        right.plot(steps, path, **look.joined(), linewidth=1.2, markersize=4, label=name)
        right.axhline(value, color=look.colour, linestyle="--", linewidth=0.9)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    low, high = min(truth.values()), max(truth.values())
    right.set_ylim(1.6 * low, 1.9 * high)
    legend(right, ncol=4, loc="upper center", handlelength=1.4, columnspacing=1.2)
    return figure


def memory_figure(table: pd.DataFrame) -> Image:
    """Columns of MB over steps on logarithmic axes, with the slopes 1 and ½."""
    figure = new_figure(4.6, 3.6)
    axes = dress(figure.subplots(), "steps", "memory of the graph [MB]", "What a gradient keeps")
    growth = ((1.0, "∝ steps"), (0.5, "∝ √steps"))
    for k, (name, (slope, words)) in enumerate(zip(table.columns, growth, strict=True)):
        look = series(k, (VALID, TRAIN)[k])
        axes.loglog(table.index, table[name], **look.joined(), label=name)
        line = table[name].iloc[-1] * (table.index / table.index[-1]) ** slope
        axes.loglog(table.index, line, **look.line() | {"linestyle": ("--", ":")[k]}, linewidth=0.9, label=words)
    axes.set_xticks(table.index, [str(steps) for steps in table.index])
    axes.xaxis.set_minor_formatter(NullFormatter())
    legend(axes)
    return notebook_image(figure, 460)
