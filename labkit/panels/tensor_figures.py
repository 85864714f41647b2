"""Pictures of a search for the best settings of a tensor model, as the last line of a cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator

from labkit.panels.kit.series import series
from labkit.panels.kit.style import INK, VALID, dress, legend, log_ticks, new_figure, notebook_image

PARTS = {0: series(0), 2: series(1)}
LABELS = {"cutoff": "cutoff [Å]", "atom_sigma": "atom_sigma [Å]"}


def noise_figure(table: pd.DataFrame) -> Image:
    """A `noise_map` of the parts 0 and 2: the error of each, and that of the whole tensor for every pair of noises."""
    figure = new_figure(7.6, 3.5)
    left, right = figure.subplots(1, 2)
    dress(left, "regularization", "error of frames left out [Å³]", "Each λ alone")
    for degree, style in PARTS.items():
        left.plot(table.index, table[degree], **style.joined(), markersize=4, label=f"λ = {degree}")
        best = table[degree].idxmin()
        left.plot([best], [table.loc[best, degree]], **style.dots(), markersize=11, markerfacecolor="none")
    left.set_xscale("log")
    left.xaxis.set_major_locator(FixedLocator(table.index[::2]))
    left.xaxis.set_minor_locator(NullLocator())
    log_ticks(left.yaxis, table.min().min() / 1.2, 1.2 * table.max().max())
    legend(left, loc="upper left")
    whole = np.sqrt(table[2].to_numpy()[:, None] ** 2 + table[0].to_numpy()[None] ** 2)
    powers = [f"$10^{{{round(np.log10(value))}}}$" for value in table.index]
    names = [name if k % 2 == 0 else "" for k, name in enumerate(powers)]
    heat_map(right, pd.DataFrame(whole, index=names, columns=names), "", whole.min(), whole.max())
    dress(right, "regularization of λ = 0", "regularization of λ = 2", "Both, error of the tensor [Å³]").grid(False)
    return notebook_image(figure)


def search_figure(table: pd.DataFrame) -> Figure:
    """Heat maps of errors over two settings, a map for each value of a third; index (row, column, third)."""
    thirds = table.index.get_level_values(2).unique()
    figure = new_figure(7.4, 3.4)
    low, high = table["error"].min(), table["error"].max()
    for axes, third in zip(np.atleast_1d(figure.subplots(1, len(thirds))), thirds, strict=True):
        part = table["error"].xs(third, level=2).unstack(1)
        rows, columns, name = (LABELS.get(level, level) for level in table.index.names)
        heat_map(axes, part, ".3f", low, high)
        dress(axes, columns, rows, f"{name} {third:g}").grid(False)
    return figure


def heat_map(axes: Axes, table: pd.DataFrame, form: str, low: float, high: float) -> None:
    """Cells of a table from `low` (dark, framed) to `high` (light), with their numbers if a format is given."""
    values = table.to_numpy(dtype=float)
    span = max(np.log(high / low), 1e-9)
    shown = np.log(values / low) / span  # equal ratios look alike
    axes.imshow(shown, cmap="Blues_r", vmin=-0.15, vmax=1.25, origin="lower", aspect="auto")
    axes.set_xticks(range(len(table.columns)), [_tick(x) for x in table.columns])
    axes.set_yticks(range(len(table.index)), [_tick(y) for y in table.index])
    for (row, column), value in np.ndenumerate(values):
        if form and np.isfinite(value):
            colour = "white" if shown[row, column] < 0.45 else INK
            axes.text(column, row, f"{value:{form}}", ha="center", va="center", fontsize=9, color=colour)
        if value == low:
            frame = {"fill": False, "edgecolor": VALID, "linewidth": 2.2}
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, zorder=3, **frame))


def _tick(value: object) -> str:
    return value if isinstance(value, str) else f"{value:g}"
