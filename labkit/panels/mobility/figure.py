"""Mobilities of a pair over its distance, with error bars, and over the lag."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.mobility import Estimate, Mobility
from labkit.mobility.repeated_releases import LagEstimates
from labkit.mobility.tweezers import of_pair
from labkit.panels.kit.series import SeriesStyle, series
from labkit.panels.kit.style import GRID, INK, MUTED, TRAIN, VALID, dress, legend, log_ticks, new_figure

COLOURS = (INK, TRAIN, VALID)
LABELS = ("itself", "other, along", "other, across")


def mobility_figure(view: LagEstimates, radius: float, truth: Mobility | None) -> Figure:
    """Above: k_BT M over the distance in radii, learned curves thin, the truth dashed. Below: over the lag."""
    figure = new_figure(6.4, 5.6)
    figure.set_layout_engine("none")  # a layout engine draws everything twice
    grid = figure.add_gridspec(2, 1, left=0.105, right=0.985, top=0.95, bottom=0.085, hspace=0.36)
    grid.set_height_ratios((1.7, 1))
    upper, lower = (figure.add_subplot(cell) for cell in grid)
    _distances(upper, view, radius, truth)
    _lags(lower, view, radius, truth)
    return figure


def _distances(axes: Axes, view: LagEstimates, radius: float, truth: Mobility | None) -> None:
    dress(axes, "distance [radii]", r"$k_\mathrm{B}T\,M$ [nm²/ns]", f"Lag {1e-3 * view.lag:g} ps")
    tweezers, learned, scale = view.releases.tweezers, view.releases.learned, view.scale
    r = torch.linspace(0.97 * tweezers.nearest, 1.02 * tweezers.farthest, 80, dtype=torch.float64)
    for k, label in enumerate(LABELS):
        look = _look(k)
        if truth is not None:
            axes.plot(r / radius, scale * of_pair(truth, r)[:, k], **look.reference(), linewidth=1.1, zorder=1)
        if learned is not None:
            axes.plot(r / radius, scale * of_pair(learned, r)[:, k], color=look.colour, linewidth=1.0, alpha=0.6)
        at = [d / radius for d, _ in view.bins]
        _bars(axes, at, [e for _, e in view.bins], k, scale, label)
    if truth is not None:
        axes.plot([], [], "--", color=MUTED, linewidth=1.1, label="truth")
    if learned is not None:
        axes.plot(
            [], [], color=INK, linewidth=1.0, alpha=0.6, label=f"learned at {1e-3 * view.releases.learned_at:g} ps"
        )
    axes.axhline(0, color=GRID, linewidth=1.2)
    top = scale * max([float(e.value[0] + 2 * e.error[0]) for _, e in view.bins], default=1.0)
    low = scale * min([float((e.value - e.error).min()) for _, e in view.bins], default=0.0)
    axes.set_ylim(min(-0.04 * top, 1.1 * low), 1.45 * top)
    legend(axes, loc="upper right", ncols=3)


def _look(k: int) -> SeriesStyle:
    return series(k, COLOURS[k])


def _lags(axes: Axes, view: LagEstimates, radius: float, truth: Mobility | None) -> None:
    dress(axes, "lag [ps]", r"$k_\mathrm{B}T\,M$ [nm²/ns]", "Which lag")
    lags, scale = [1e-3 * lag for lag in view.overall], view.scale
    _bars(axes, lags, list(view.overall.values()), 0, scale, "itself, all pairs")
    near = [1e-3 * lag for lag in view.nearest]
    _bars(axes, near, [e for _, e in view.nearest.values()], 1, scale, "along, nearest pairs")
    if truth is not None and view.nearest:
        r = torch.tensor([view.nearest[view.lag][0] if view.lag in view.nearest else radius], dtype=torch.float64)
        for k, value in enumerate((scale * of_pair(truth, r)[0, :2]).tolist()):
            axes.axhline(value, linestyle="--", color=COLOURS[k], linewidth=1.1, zorder=1)
    axes.axvline(1e-3 * view.lag, color=GRID, linewidth=6, zorder=0)
    log_ticks(axes.xaxis, 0.7 * min(lags), 1.4 * max(lags))
    axes.set_xticks(lags, [f"{lag:g}" for lag in lags])
    axes.set_ylim(0, 1.45 * scale * max(float(e.value[0]) for e in view.overall.values()))
    legend(axes, loc="upper right", ncols=2)


def _bars(axes: Axes, x: list[float], found: list[Estimate], k: int, scale: float, label: str) -> None:
    value, error = ([scale * float(getattr(e, name)[k]) for e in found] for name in ("value", "error"))
    axes.errorbar(x, value, error, **_look(k).dots(), markersize=3.5, elinewidth=1.2, capsize=2, label=label)
