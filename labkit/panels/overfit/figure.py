"""Four views of one fit: parity, the scan of a bond, and errors and evidence over decades of sigma."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from labkit.gap.scan_design import ScanDesign, ScanFit
from labkit.panels.kit.live_figure import LiveFigure
from labkit.panels.kit.series import SETS, SeriesStyle, series
from labkit.panels.kit.style import (
    FORCE,
    INK,
    MUTED,
    SET_NAMES,
    TRAIN,
    dress,
    legend,
    log_ticks,
    new_figure,
)
from labkit.panels.train.figure import points, spacing

UNIT = {"energy": "meV/atom", "forces": "meV/Å"}
SIGMAS = {"sigma_energy": (1e-5, 1.0), "sigma_force": (1e-4, 10.0)}  # range of the sliders and sweeps
SIGMA_UNIT = {"sigma_energy": "eV/√atom", "sigma_force": "eV/Å"}
WIDE = 2.0  # standard deviations in the band of the scan


class OverfitFigure:
    """Axes of a design, drawn once; `picture(point)` moves points, curve and markers."""

    def __init__(self, design: ScanDesign, quantity: str) -> None:
        self.design, self.quantity = design, quantity
        figure = new_figure(7.4, 6.0)
        figure.set_layout_engine("none")
        grid = figure.add_gridspec(2, 2, left=0.1, right=0.98, top=0.95, bottom=0.085, wspace=0.27, hspace=0.36)
        grid.set_height_ratios((1.35, 1))
        self.parity, self.scan, self.error, self.evidence = (figure.add_subplot(cell) for cell in grid)
        for name in ("parity", "scan", "error", "evidence"):
            getattr(self, name).set_gid(name)
        self._moving: list = []
        self._draw_parity()
        self._draw_scan()
        self.marks: dict[str, object] = {}
        self.swept = ""
        dress(self.error, "sigma", f"RMSE [{UNIT[quantity]}]", "Error over sigma")
        dress(self.evidence, "sigma", "log marginal likelihood", "Evidence over sigma")
        self.live = LiveFigure(figure, self._moving)

    def picture(self, point: ScanFit, name: str | None = None, sigma: float = 0.0) -> bytes:
        """PNG of `point`; on the axes of a sweep the markers are at `sigma`, if the sweep is of `name`."""
        scale = 1e3 if self.quantity == "energy" else 1.0
        for which, line in self.dots.items():
            true, predicted = points(point.predictions[which], self.quantity)
            keep = slice(None, None, spacing(len(true)))
            line.set_data((true[keep] - self.centre) * scale, (predicted[keep] - self.centre) * scale)
        energy = point.energy - self.zero
        self.curve.set_data(self.design.scan.lengths, energy)
        low, high = energy - WIDE * point.spread, energy + WIDE * point.spread
        lengths = self.design.scan.lengths
        self.band.set_xy(np.column_stack([np.concatenate([lengths, lengths[::-1]]), np.concatenate([low, high[::-1]])]))
        self.data.set_data(self.shown, np.interp(self.shown, lengths, energy))
        for key, mark in self.marks.items():
            there = name == self.swept
            value = point.model.log_evidence if key == "evidence" else _rmse(point.errors, key, self.quantity)
            mark.set_data(*([sigma], [value]) if there and np.isfinite(value) else ([], []))
        return self.live.png()

    def set_sweep(self, table: pd.DataFrame) -> None:
        """Draw a sweep of one sigma in place of the last one."""
        self.swept = str(table.index.name)
        for axes, title in ((self.error, "Error"), (self.evidence, "Evidence")):
            axes.clear()
            label = "RMSE [" + UNIT[self.quantity] + "]" if axes is self.error else "log marginal likelihood"
            dress(axes, f"{self.swept} [{SIGMA_UNIT[self.swept]}]", label, f"{title} over {self.swept}")
            log_ticks(axes.xaxis, table.index.min() / 1.3, table.index.max() * 1.3)
        self._moving = [artist for artist in self._moving if artist not in self.marks.values()]
        self.marks = {}
        for which in ("train", "valid"):
            if (which, self.quantity) in table:
                values = table[which, self.quantity]
                self.error.plot(table.index, values, **SETS[which].line(), linewidth=1.4, label=SET_NAMES[which])
                self.marks[which] = self._mark(self.error, SETS[which])
        drawn = pd.concat([table[which, self.quantity] for which in SETS if (which, self.quantity) in table])
        # a training error a thousand times smaller tells no more than one a hundred times smaller
        log_ticks(self.error.yaxis, max(drawn.min(), drawn.max() / 1e3) / 1.15, drawn.max() * 1.15)
        self._draw_optimum(table)
        evidence = table["log evidence", ""]
        self.evidence.plot(table.index, evidence, color=FORCE, linewidth=1.4, gid="evidence")
        top = evidence.max()
        span = max(top - np.median(evidence), 50.0)  # if sigma is far too small it falls without limit
        self.evidence.set_ylim(top - 1.6 * span, top + 0.15 * span)
        self.evidence.axvline(evidence.idxmax(), color=MUTED, linewidth=0.8, linestyle=":")
        self.evidence.yaxis.set_major_locator(MaxNLocator(5))
        self.marks["evidence"] = self._mark(self.evidence, series(0, FORCE))
        self._moving += self.marks.values()
        self.live = LiveFigure(self.live.figure, self._moving)

    def _draw_optimum(self, table: pd.DataFrame) -> None:
        if ("valid", self.quantity) in table:
            best = table["valid", self.quantity].idxmin()
            self.error.axvline(best, color=MUTED, linewidth=0.8, linestyle=":")
        legend(self.error, loc="best")

    def _mark(self, axes: Axes, look: SeriesStyle):
        return axes.plot([], [], **look.dots(), markersize=7, markeredgecolor="white", markeredgewidth=1.2)[0]

    def _draw_parity(self) -> None:
        design = self.design.design
        model = design.solve()
        sets = ("train",) if design.valid is None else ("train", "valid")
        true = np.concatenate([points(design.predictions(model, name), self.quantity)[0] for name in sets])
        self.centre = float(np.nanmean(true)) if self.quantity == "energy" else 0.0
        scale = 1e3 if self.quantity == "energy" else 1.0
        reach = float(np.nanmax(np.abs(true - self.centre))) * scale * 1.12 or 1.0
        unit = "meV/atom" if self.quantity == "energy" else "eV/Å"
        what = "energy − mean" if self.quantity == "energy" else "force component"
        dress(self.parity, f"reference {what} [{unit}]", f"predicted [{unit}]", "Parity")
        self.parity.plot([-reach, reach], [-reach, reach], color=MUTED, linewidth=0.8)
        self.parity.set(xlim=(-reach, reach), ylim=(-reach, reach))
        self.parity.xaxis.set_major_locator(MaxNLocator(5))
        self.parity.yaxis.set_major_locator(MaxNLocator(5))
        style = {"markersize": 3.5 if self.quantity == "energy" else 1.8, "alpha": 0.55, "markeredgewidth": 0}
        self.dots = {
            name: self.parity.plot([], [], **SETS[name].dots(), gid=name, label=SET_NAMES[name], **style)[0]
            for name in reversed(sets)  # training points on top
        }
        self._moving += self.dots.values()
        for k, name in enumerate(reversed(self.dots)):
            self.parity.text(
                0.04, 0.95 - 0.075 * k, f"{SETS[name].glyph} {SET_NAMES[name]}", color=SETS[name].colour,
                transform=self.parity.transAxes, fontsize=8, va="top",
            )  # fmt: skip

    def _draw_scan(self) -> None:
        scan = self.design.scan
        label = scan.label.replace("-", "–")
        dress(self.scan, f"{label} length [Å]", "energy − minimum [eV]", f"{label} stretch")
        if len(scan.known):
            self.zero, height = float(scan.energies.min()), float(np.ptp(scan.energies))
            self.scan.plot(
                scan.known, scan.energies - self.zero, "o", markersize=4.5, markerfacecolor="none", markeredgecolor=INK,
                markeredgewidth=0.9, label="reference",
            )  # fmt: skip
        else:
            energy = self.design.profile.predict(self.design.design.solve())[0].numpy()
            self.zero, height = float(energy.min()), max(float(np.ptp(energy)), 0.1)
        edge = 0.03 * (scan.lengths[-1] - scan.lengths[0])  # so that no circle is cut off
        self.scan.set(xlim=(scan.lengths[0] - edge, scan.lengths[-1] + edge), ylim=(-0.35 * height, 1.3 * height))
        inside = self.design.seen[(self.design.seen > scan.lengths[0]) & (self.design.seen < scan.lengths[-1])]
        self.shown = np.sort(inside)[:: max(1, len(inside) // 300)]
        (self.band,) = self.scan.fill([0], [0], color=FORCE, alpha=0.18, linewidth=0, label=f"±{WIDE:.0f} std. dev.")
        (self.curve,) = self.scan.plot([], [], color=FORCE, linewidth=1.6, label="model")
        (self.data,) = self.scan.plot(
            [], [], "D", color=TRAIN, markersize=3.2, alpha=0.5, markeredgewidth=0, label="bonds in training frames"
        )
        self._moving += [self.band, self.curve, self.data]
        legend(self.scan, loc="upper right")


def _rmse(errors: pd.DataFrame, which: str, quantity: str) -> float:
    return float(errors.loc[(which, quantity), "rmse"]) if (which, quantity) in errors.index else np.nan
