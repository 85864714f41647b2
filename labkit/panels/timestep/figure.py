"""The error of the energy over the timestep, on logarithmic axes, and some of the runs behind it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.engine.timesteps import EnergyErrors
from labkit.errors import LabkitError
from labkit.panels.kit.series import series
from labkit.panels.kit.style import BAD, FORCE, MUTED, TRAIN, VALID, dress, legend, log_ticks, log_ticks_at, new_figure

SHOWN = 100.0  # fs of the runs


def timestep_figure(found: EnergyErrors, timesteps: list[float]) -> Figure:
    """Left: errors, their power law, and crosses where a run has blown up; right: the energy along four runs."""
    figure = new_figure(7.6, 3.6)
    left, right = figure.subplots(1, 2)
    _errors(left, found, timesteps)
    _runs(right, found)
    for axes in (left, right):
        legend(axes, loc="upper left")
    return figure


def _errors(axes: Axes, found: EnergyErrors, timesteps: list[float]) -> None:
    dress(axes, "timestep [fs]", "energy error [meV/atom]", "How well the energy is kept")
    good = found.table.dropna()["error"]
    low, high = (good.min(), good.max()) if len(good) else (0.01, 1.0)
    top = 8 * max(high, 10 * low)
    axes.plot(good.index, good, "o", color=TRAIN, markersize=5, label="standard deviation")
    if found.lost:
        axes.plot(found.lost, [top / 3] * len(found.lost), "X", color=BAD, markersize=8, label="blown up")
    try:
        constant, slope = found.law()
        ends = np.array([min(timesteps), max(timesteps)])
        label = rf"$\propto \Delta t^{{{slope:.2f}}}$"
        axes.plot(ends, constant * ends**slope, "--", color=MUTED, linewidth=1, label=label)
    except LabkitError:
        pass  # not two timesteps yet
    log_ticks(axes.yaxis, low / 2, top)
    log_ticks_at(axes.xaxis, (0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8), min(timesteps) / 1.2, max(timesteps) * 1.2)


def _runs(axes: Axes, found: EnergyErrors) -> None:
    dress(axes, "time [fs]", "energy - start [meV/atom]", "Some of the runs")
    kept = [dt for dt in sorted(found.curves) if dt not in found.lost]
    largest = 0.01
    for k, dt in enumerate(kept[-1::-2][:3][::-1]):
        time, energy = found.curves[dt]
        axes.plot(time, energy, **series(k, (FORCE, VALID, TRAIN)[k]).marked(), linewidth=1.3, label=f"{dt:g} fs")
        largest = max(largest, float(np.abs(energy[time <= SHOWN]).max()))
    for dt in found.lost[:1]:
        axes.plot(*found.curves[dt], **series(3, BAD).marked(), linewidth=1.3, label=f"{dt:g} fs")
    axes.set(xlim=(0, SHOWN), ylim=(-0.5 * largest, 2.2 * largest))
