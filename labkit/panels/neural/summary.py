"""A training in words: its errors, its speed, and whether the learning rate is too high."""

from __future__ import annotations

import numpy as np

from labkit.gap.metrics import UNITS
from labkit.neural import WatchedTraining
from labkit.panels.kit import html
from labkit.panels.kit.style import SET_NAMES
from labkit.panels.neural.figure import smooth

WORSE = 3.0  # times the smallest loss so far: the training has lost what it had learned
EARLY = 60  # steps that are not judged


def table_of(found: WatchedTraining) -> str:
    """RMSE of both sets, as HTML."""
    rows = []
    for name, label in SET_NAMES.items():
        if name in found.errors.index.get_level_values(0):
            rmse = found.errors.loc[name, "rmse"]
            rows.append([label, *(f"{rmse[q]:.3g}" if q in rmse.index else "" for q in UNITS)])
    head = [f"RMSE after {found.steps} steps", *(f"{name} [{unit}]" for name, (unit, _) in UNITS.items())]
    return html.table(head, rows) if rows else ""


def pace(found: WatchedTraining) -> str:
    """Steps and seconds, as in "240 of 812 steps in 5.3 s"."""
    if not found.history:
        return ""
    row = found.history[-1]
    planned = f" of {found.planned}" if found.planned > found.steps else ""
    weights = sum(p.numel() for p in found.potential.parameters())
    return (
        f"{found.steps}{planned} steps, last measured after {row['step']} in {row['seconds']:.1f} s; {weights} weights."
    )


def divergence(found: WatchedTraining) -> str:
    """A sentence if the learning rate is too high, or ""."""
    losses = np.array(found.losses)
    rate = f"{max(found.rates, default=0.0):.2g}"
    if not np.isfinite(losses).all():
        return f"The loss is not finite any more: the learning rate of {rate} is too high."
    if len(losses) < EARLY:
        return ""
    first, means = losses[:3].mean(), smooth(losses)[10:]
    last, best, worst = means[-1], means.min(), means.max()
    lost = f"The loss is {last / best:.1f} times what it was at its best"
    if last > first / 2 and (last > 1.5 * best or worst > 1.2 * first):
        lost = f"After {found.steps} steps the loss is still {last / first:.0%} of the first one"
    elif last < WORSE * best:
        return ""
    return (
        f"{lost}: the learning rate of {rate} is too high, and each step jumps over what it looks for. Take a smaller "
        "one, or cool down."
    )
