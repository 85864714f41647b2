"""Errors over σ, the reliability diagram and the ROC of one uncertainty."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator
from scipy.stats import chi2

from labkit.active.calibration.judged import Judged
from labkit.active.calibration.measures import quantile_reliability, reliability, roc
from labkit.errors import LabkitError
from labkit.panels.kit.series import series
from labkit.panels.kit.style import FORCE, INK, MUTED, VALID, dress, legend, log_ticks, new_figure

SPECIES, BAND = "atoms", (0.05, 0.95)
SMALLEST = 1e-3  # of the largest error or σ: what is smaller is drawn at the edge


def uncertainty_figure(judged: Judged, bound: float) -> Figure:
    """Left: each error over its σ; right: how many errors lie within what σ promises, and how σ finds large errors."""
    figure = new_figure(7.6, 4.6)
    figure.set_layout_engine("none")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.45, 1), left=0.09, right=0.975, top=0.94, bottom=0.105)
    grid.update(wspace=0.27, hspace=0.5)
    _errors(figure.add_subplot(grid[:, 0]), judged, bound)
    _reliability(figure.add_subplot(grid[0, 1]), judged)
    _roc(figure.add_subplot(grid[1, 1]), judged, bound)
    return figure


def _errors(axes: Axes, judged: Judged, bound: float) -> None:
    unit = judged.samples.unit
    whose = "worst atom of a frame" if judged.frames else "force on an atom"
    dress(axes, f"σ [{unit}]" if unit else "σ, a distance", "|error| [eV/Å]", f"Error over σ, {whose}")
    axes.set_gid("errors")
    e, s = judged.errors, judged.sigmas
    (left, right), (low, high) = _limits(s), _limits(np.append(e, bound))
    if judged.sizes and not judged.frames:
        # the same scale, so that the line of a perfect σ is where one looks for it
        line = np.geomspace(left, right, 50)
        few, many = (np.sqrt(chi2.ppf(p, judged.samples.dof) / judged.samples.dof) for p in BAND)
        axes.fill_between(
            line, few * line, many * line, color=FORCE, alpha=0.15, linewidth=0, label="90 % if σ is right"
        )
        axes.plot(line, line, color=INK, linewidth=1.0, label="error = σ")
    names = [""] if judged.frames else np.unique(judged.samples.species).tolist()
    for k, name in enumerate(names):
        mine = np.ones(len(e), bool) if judged.frames else judged.samples.species == name
        axes.plot(
            np.maximum(s[mine], left), np.maximum(e[mine], low), **series(k).dots(), markersize=3.4, alpha=0.5,
            markeredgewidth=0, label=name or "frames", gid=f"{SPECIES} {name}".strip(),
        )  # fmt: skip
    if judged.sizes and not judged.frames:
        bins = reliability(e, s, group=judged.samples.group)
        bars = [np.clip(bins["rmse"] - bins["low"], 0, None), np.clip(bins["high"] - bins["rmse"], 0, None)]
        axes.errorbar(
            bins["rmv"],
            bins["rmse"],
            yerr=bars,
            fmt="D",
            color=INK,
            markersize=4,
            linewidth=1.0,
            label="RMSE at this σ",
        )
    axes.axhline(bound, color=VALID, linewidth=1.0, linestyle="--")
    axes.annotate("bound", (right, bound), (-2, 2), textcoords="offset points", ha="right", fontsize=7, color=INK)
    log_ticks(axes.xaxis, left, right)
    log_ticks(axes.yaxis, low, high)
    legend(axes, loc="lower right", fontsize=7)


def _reliability(axes: Axes, judged: Judged) -> None:
    dress(axes, "share that σ promises", "share found", "Reliability")
    axes.set_gid("reliability")
    _unit_square(axes)
    if not judged.sizes or judged.frames:
        words = (
            "σ is a score, not an error:\nrescale it" if not judged.sizes else "the worst atom of a frame:\nranked only"
        )
        axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=8, color=MUTED, transform=axes.transAxes)
        return
    samples = judged.samples
    found = quantile_reliability(samples.errors, samples.sigmas, samples.dof, group=samples.group)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=":")
    axes.fill_between(found["expected"], found["low"], found["high"], color=FORCE, alpha=0.2, linewidth=0)
    axes.plot(found["expected"], found["observed"], color=FORCE, linewidth=1.5, gid="observed")
    axes.text(0.97, 0.06, "σ too small", ha="right", fontsize=7, color=MUTED, transform=axes.transAxes)
    axes.text(0.03, 0.9, "σ too large", fontsize=7, color=MUTED, transform=axes.transAxes)


def _roc(axes: Axes, judged: Judged, bound: float) -> None:
    dress(axes, "false alarms", "found", f"Finding errors above {bound:.2g} eV/Å")
    axes.set_gid("ROC")
    _unit_square(axes)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=":")
    try:
        found = roc(judged.errors, judged.sigmas, bound)
    except LabkitError:
        axes.text(0.5, 0.2, "no error, or every one, is above it", ha="center", fontsize=8, color=MUTED)
        return
    axes.plot(found["false_alarms"], found["found"], color=INK, linewidth=1.4, gid="roc")


def _unit_square(axes: Axes) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([0, 0.5, 1]))


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Of a logarithmic axis; zeros are at its edge."""
    top = float(values.max()) or 1.0
    low = max(float(values[values > 0].min(initial=top)), SMALLEST * top)
    return low / 1.6, top * 1.6
