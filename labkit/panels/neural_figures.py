"""Figures of notebook 09: a GAP and a network compared per frame and per second, and a learning curve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from IPython.display import Image

from labkit.gap.power_law import PowerLaw
from labkit.panels.kit.style import (
    INK,
    TRAIN,
    VALID,
    dress,
    legend,
    log_ticks,
    log_ticks_at,
    new_figure,
    notebook_image,
)
from labkit.units import MEV

LOOKS = {"GAP": (TRAIN, "o", "-"), "network": (VALID, "s", (0, (7, 1.6)))}
FORCES, SECONDS = "forces [meV/Å]", "seconds"


def efficiency_figure(table: pd.DataFrame, history: Iterable[Mapping[str, float]]) -> Image:
    """Force errors of both models against the number of frames, and against the seconds of training.

    table    SECONDS and FORCES by ("GAP" or "network", number of frames)
    history  of the network trained on the most frames, as in Trained
    """
    figure = new_figure(7.6, 3.5)
    left, right = figure.subplots(1, 2)
    for name, (colour, marker, dashes) in LOOKS.items():
        found = table.loc[name]
        left.plot(found.index, found[FORCES], color=colour, marker=marker, linestyle=dashes, markersize=5, label=name)
    one = table.loc["GAP"]
    colour, marker, _ = LOOKS["GAP"]
    right.plot(one[SECONDS], one[FORCES], color=colour, marker=marker, linestyle="none", label="GAP")
    for frames, row in one.iterrows():
        right.annotate(
            f"{frames} frames", (row[SECONDS], row[FORCES]), (-6, -9), textcoords="offset points", fontsize=7,
            color=INK, ha="right",
        )  # fmt: skip
    rows = list(history)
    seconds, forces = ([row[key] for row in rows] for key in ("seconds", "valid forces"))
    colour, marker, dashes = LOOKS["network"]
    forces = np.array(forces) / MEV
    most = max(table.loc["network"].index)
    right.plot(
        seconds, forces, color=colour, marker=marker, linestyle=dashes, markersize=3, label=f"network, {most} frames"
    )
    dress(left, "training frames", "validation force RMSE [meV/Å]", "Per frame")
    dress(right, "time of the training [s]", "validation force RMSE [meV/Å]", "Per second")
    log_ticks_at(left.xaxis, sorted(set(table.index.get_level_values(1))), *_span(table.index.get_level_values(1), 1.3))
    log_ticks(right.xaxis, *_span([*seconds, *one[SECONDS]], 1.6))
    for axes, values in ((left, table[FORCES]), (right, [*forces, *one[FORCES]])):
        log_ticks(axes.yaxis, *_span(values, 1.25))
        legend(axes)
    return notebook_image(figure)


def learning_plot(errors: Mapping[int, float], law: PowerLaw) -> Image:
    """Energy errors [meV/atom] against the number of frames on logarithmic axes, with their power law."""
    axes = new_figure(4.6, 3.2).add_subplot()
    dress(axes, "training frames", "energy RMSE [meV/atom]", "From energies alone")
    axes.plot(list(errors), list(errors.values()), color=VALID, marker="s", linestyle="none", label="network")
    label = f"∝ N$^{{-b}}$, b = {law.exponent:.2f}"
    axes.plot(list(errors), [law.at(n)[0] for n in errors], "--", color=INK, linewidth=1.0, label=label)
    log_ticks_at(axes.xaxis, sorted(errors), *_span(errors, 1.3))
    log_ticks(axes.yaxis, *_span(errors.values(), 1.3))
    legend(axes)
    return notebook_image(axes.figure, 460)


def _span(values: Iterable[float], factor: float) -> tuple[float, float]:
    known = [value for value in values if value > 0]
    return min(known) / factor, max(known) * factor
