"""A learning curve on logarithmic axes, with its power law and the learner's guess."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.gap.learning import LearningCurve
from labkit.panels.kit.series import SETS
from labkit.panels.kit.style import (
    BAD,
    MUTED,
    SET_NAMES,
    dress,
    legend,
    log_ticks,
    log_ticks_at,
    new_figure,
)

UNIT = {"energy": "meV/atom", "forces": "meV/Å"}


def learning_figure(curve: LearningCurve, sizes: list[int], guesses: Mapping[str, float], at: int) -> Figure:
    """Energies and forces side by side: both sets, with bars of one standard deviation over the repeats.

    guesses  quantity -> error expected at `at` frames, drawn beside the result; 0 without a guess
    """
    figure = new_figure(7.6, 4.0)
    summary = curve.summary()
    shown = [q for q in UNIT if any((which, q) in summary.index.droplevel("size") for which in SETS)]
    for axes, quantity in zip(np.atleast_1d(figure.subplots(1, len(shown))), shown, strict=True):
        _curve(axes, curve, quantity, sizes, guesses.get(quantity, 0.0), at)
    return figure


def _curve(axes: Axes, curve: LearningCurve, quantity: str, sizes: list[int], guess: float, at: int) -> None:
    summary = curve.summary()
    dress(axes, "training frames", f"RMSE [{UNIT[quantity]}]", quantity.capitalize())
    seen = [guess] if guess else []
    for which, look in SETS.items():
        if (which, quantity) not in summary.index.droplevel("size"):
            continue
        found = summary.loc[(which, quantity)]
        seen += [*(found["rmse"] - found["spread"]), *(found["rmse"] + found["spread"])]
        axes.errorbar(
            found.index, found["rmse"], found["spread"], **look.joined(), markersize=5, linewidth=1.5, capsize=3,
            label=SET_NAMES[which],
        )  # fmt: skip
    seen += _law(axes, curve, quantity, sizes)
    if guess:
        axes.plot([at], [guess], "*", color=BAD, markersize=13, markeredgecolor="white", label="your guess", zorder=5)
    positive = [x for x in seen if x > 0]
    log_ticks(axes.yaxis, min(positive) / 1.25, max(positive) * 1.25)
    ticks = sorted({*sizes, at}) if guess else sizes
    log_ticks_at(axes.xaxis, ticks, min(ticks) / 1.3, max(ticks) * 1.3)
    legend(axes)


def _law(axes: Axes, curve: LearningCurve, quantity: str, sizes: list[int]) -> list[float]:
    """The power law of the validation error, dashed, with its exponent; return the errors at its ends."""
    try:
        law = curve.law("valid", quantity)
    except LabkitError:
        return []  # fewer than two sizes so far, or no validation frames
    ends = [min(sizes), max(sizes)]
    values = [law.at(size)[0] for size in ends]
    off = f" ± {law.spread:.2f}" if np.isfinite(law.spread) else ""
    label = f"∝ N$^{{-b}}$, b = {law.exponent:.2f}{off}"
    axes.plot(ends, values, "--", color=MUTED, linewidth=1.0, label=label, zorder=1)
    return values
