"""Energies and temperature of a run, drawn during the run."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from labkit.engine.adjustable_run import AdjustableRun
from labkit.panels.dynamics.spread import SpreadCurve
from labkit.panels.kit.live_figure import LiveFigure
from labkit.panels.kit.series import series
from labkit.panels.kit.style import BAD, FORCE, INK, MUTED, TRAIN, VALID, dress, legend, new_figure

CURVES = {"total": series(0, INK), "potential": series(1, TRAIN), "kinetic": series(2, VALID)}
SHOWN = 1500  # points of a curve


class DynamicsFigure:
    """Axes that stay fixed while curves grow; they are drawn again only when a curve leaves them.

    `end` fs is where the run will end; the time axes grow by doubling until then. Energies are per atom;
    potential and total energies are relative to the first potential energy. With `uncertain`, the spread of the
    potential is below them.
    """

    def __init__(self, end: float, uncertain: bool = False) -> None:
        heights = (1.4, 1.0, 0.8)[: 3 if uncertain else 2]
        figure = new_figure(6.4, 5.8 if not uncertain else 7.6)
        figure.set_layout_engine("none")
        edge = 0.475 / figure.get_figheight()
        grid = figure.add_gridspec(
            len(heights), 1, left=0.115, right=0.96, top=1 - 0.6 * edge, bottom=edge, hspace=0.27
        )
        grid.set_height_ratios(heights)
        self.energy, self.temperature, *rest = self.axes = [figure.add_subplot(cell) for cell in grid]
        self.spread = SpreadCurve(rest[0], self.axes[:2]) if uncertain else None
        dress(self.energy, "", "energy − first potential [meV/atom]", "Energies")
        dress(self.temperature, "" if uncertain else "time [fs]", "temperature [K]", "Temperature")
        self.lines = {
            name: self.energy.plot([], [], **look.marked(), linewidth=1.6 if name == "total" else 1.1, label=name)[0]
            for name, look in CURVES.items()
        }
        (self.measured,) = self.temperature.plot([], [], color=FORCE, linewidth=1.1, label="kinetic temperature")
        (self.target,) = self.temperature.plot([], [], "--", color=MUTED, linewidth=1.1, label="thermostat")
        (self.mean,) = self.temperature.plot([], [], **series(1, INK).marked(), linewidth=1.4, label="mean so far")
        for axes in (self.energy, self.temperature):
            axes.xaxis.set_major_locator(MaxNLocator(6))
            axes.yaxis.set_major_locator(MaxNLocator(5))
            legend(axes, loc="lower right", ncols=3, bbox_to_anchor=(1.01, 0.98))
        self.end, self._until, self._failed = end, 0.0, False
        self._reached: set[Axes] = set()
        moving = self.spread.moving if self.spread else []
        self.live = LiveFigure(figure, [*self.lines.values(), self.measured, self.target, self.mean, *moving])

    def picture(self, run: AdjustableRun, failed: bool = False) -> bytes:
        """PNG of the run so far; if it has `failed`, a red line marks the end."""
        rows = np.array(list(run.rows), dtype=float)
        time, scale = rows[:, 1], 1e3 / run.state.system.numbers.numel()
        potential, kinetic = rows[:, 2] - rows[0, 2], rows[:, 3]
        curves = {"total": potential + kinetic, "potential": potential, "kinetic": kinetic}
        kept = slice(None, None, max(1, len(rows) // SHOWN))
        for name, line in self.lines.items():
            line.set_data(time[kept], scale * curves[name][kept])
        self.measured.set_data(time[kept], rows[kept, 5])
        self.target.set_data(time[kept], rows[kept, 6])
        self.mean.set_data(time[kept], (np.cumsum(rows[:, 5]) / np.arange(1, len(rows) + 1))[kept])
        self._grow(time[-1])
        self._reach(self.energy, scale * np.concatenate(list(curves.values())))
        self._reach(self.temperature, np.concatenate([[0.0], rows[:, 5], rows[np.isfinite(rows[:, 6]), 6]]))
        if self.spread and self.spread.move(run):
            self.live.freeze()
        if failed and not self._failed:
            self._failed = True
            for axes in self.axes:
                axes.set_xlim(0, 1.3 * max(time[-1], 1e-3))
                axes.axvspan(time[-1], axes.get_xlim()[1], color=BAD, alpha=0.1, linewidth=0)
                axes.axvline(time[-1], color=BAD, linewidth=1.2)
            self.live.freeze()
        return self.live.png()

    def _grow(self, time: float) -> None:
        """Widen the time axes to the next half, quarter, ... of the run that contains `time`."""
        if 0 < time <= self._until:
            return
        self._until = self.end
        while self._until > max(2 * time, 0.01 * self.end):
            self._until /= 2
        for axes in self.axes:
            axes.set_xlim(0, self._until)
        self.live.freeze()

    def _reach(self, axes: Axes, values: np.ndarray) -> None:
        """Widen the axes by half as much again as the values need, if these leave them."""
        low, high = float(values.min()), float(values.max())
        bottom, top = axes.get_ylim()
        if bottom <= low and high <= top and axes in self._reached:
            return
        room = 0.25 * max(high - low, 1e-6)
        axes.set_ylim(0 if low == 0 and axes is self.temperature else low - 0.4 * room, high + room)
        self._reached.add(axes)
        self.live.freeze()
