"""The results of the LearningCurve panel in words: errors, the quality of the guess, the gain from more data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from labkit.errors import LabkitError
from labkit.gap.learning import LearningCurve
from labkit.panels.kit import html
from labkit.panels.kit.style import SET_NAMES
from labkit.panels.learning.figure import UNIT


def table_of(curve: LearningCurve) -> str:
    """Mean RMSE over the repeats, and their standard deviation, as HTML."""
    summary = curve.summary()
    there = summary.index.droplevel("size").unique()
    columns = [(which, quantity) for quantity in UNIT for which in SET_NAMES if (which, quantity) in there]
    sizes = sorted(curve.table["size"].unique())
    rows = []
    for size in sizes:
        cells = [summary.loc[(*column, size)] for column in columns]
        spreads = [f" ± {cell['spread']:.2g}" if cell["fits"] > 1 else "" for cell in cells]
        rows.append([str(size), *(f"{cell['rmse']:.3g}{spread}" for cell, spread in zip(cells, spreads, strict=True))])
    head = ["frames", *(f"{SET_NAMES[which]} {quantity} [{UNIT[quantity]}]" for which, quantity in columns)]
    return html.table(head, rows)


def verdict(curve: LearningCurve, guesses: Mapping[str, float], at: int) -> str:
    """The guesses compared with the validation errors at `at` frames, once these are known."""
    summary = curve.summary()
    words = []
    for quantity, guess in guesses.items():
        if not guess or ("valid", quantity, at) not in summary.index:
            continue
        truth = float(summary.loc[("valid", quantity, at), "rmse"])
        ratio = max(guess / truth, truth / guess)
        how = "very near" if ratio < 1.15 else f"{ratio:.1f} times too {'high' if guess > truth else 'low'}"
        words.append(f"{quantity}: you expected {guess:g} {UNIT[quantity]} at {at} frames; it is {truth:.3g}, {how}")
    return "; ".join(words)


def more_data(curve: LearningCurve) -> str:
    """The error expected with twice the frames, from the power law of the last sizes."""
    twice = 2 * int(curve.table["size"].max())
    words = []
    for quantity in UNIT:
        try:
            law = curve.law("valid", quantity)
        except LabkitError:
            continue
        value, factor = law.at(twice)
        now = law.at(twice // 2)[0]
        span = f" ({value / factor:.3g} to {value * factor:.3g})" if np.isfinite(factor) else ""
        words.append(f"{quantity} {value:.3g}{span} {UNIT[quantity]}, {change(value / now)}")
    return f"Twice the frames, {twice}, if the dashed line continues: " + "; ".join(words) if words else ""


def change(ratio: float) -> str:
    """A new value over the old one, in words.

    >>> change(0.71), change(0.998), change(1.03)
    ('29 % less', 'no less than now', '3 % more')
    """
    percent = round(100 * (ratio - 1))
    return "no less than now" if percent == 0 else f"{abs(percent)} % {'less' if percent < 0 else 'more'}"
