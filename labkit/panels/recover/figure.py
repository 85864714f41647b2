"""The loss and the charges over the evaluations of a fit; what gradients cost in memory."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from labkit.engine.matching import Matching
from labkit.panels.kit.style import BAD, FORCE, MUTED, TRAIN, VALID, dress, legend, new_figure, to_png

COLOURS = (BAD, MUTED, TRAIN, FORCE)


def recover_figure(fit: Matching, truth: Mapping[str, float]) -> Figure:
    """Loss on the left, charges on the right with the true ones dashed."""
    figure = new_figure(7.6, 3.6)
    left, right = figure.subplots(1, 2)
    steps = np.arange(1, len(fit.losses) + 1)
    dress(left, "evaluation", "loss / first loss", "How far the ends are apart")
    left.semilogy(steps, np.maximum(fit.losses, 1e-18), "o-", color=TRAIN, markersize=4)
    dress(right, "evaluation", "charge [e]", "Charges, and the true ones")
    for (name, value), path, colour in zip(truth.items(), np.transpose(fit.values), COLOURS, strict=True):
        right.plot(steps, path, "o-", color=colour, markersize=3, label=name)
        right.axhline(value, color=colour, linestyle="--", linewidth=0.9)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    low, high = min(truth.values()), max(truth.values())
    right.set_ylim(1.6 * low, 1.9 * high)
    legend(right, ncol=4, loc="upper center", handlelength=1.4, columnspacing=1.2)
    return figure


def memory_figure(table: pd.DataFrame) -> widgets.Image:
    """Columns of MB over steps on logarithmic axes, with the slopes 1 and ½."""
    figure = new_figure(4.6, 3.6)
    axes = dress(figure.subplots(), "steps", "memory of the graph [MB]", "What a gradient keeps")
    growth = ((1.0, "∝ steps"), (0.5, "∝ √steps"))
    for name, colour, (slope, words) in zip(table.columns, (VALID, TRAIN), growth, strict=True):
        axes.loglog(table.index, table[name], "o-", color=colour, label=name)
        line = table[name].iloc[-1] * (table.index / table.index[-1]) ** slope
        axes.loglog(table.index, line, "--", color=colour, linewidth=0.9, label=words)
    axes.set_xticks(table.index, [str(steps) for steps in table.index])
    axes.xaxis.set_minor_formatter(NullFormatter())
    legend(axes)
    return widgets.Image(value=to_png(figure), format="png", layout=widgets.Layout(width="460px"))
