"""Four views of a tensor model: parity on and off the diagonal, learning curves, errors over regularization."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from labkit.panels.kit.live_figure import LiveFigure
from labkit.panels.kit.series import series
from labkit.panels.kit.style import BAD, MUTED, TRAIN, VALID, dress, legend, log_ticks, log_ticks_at, new_figure
from labkit.polarizability.split_design import SplitDesign, TensorFit

DIAGONAL, OFF = ("xx", "yy", "zz"), ("xy", "xz", "yz")
PARTS = {0: TRAIN, 2: VALID}
#: name, style, size, face: yx inside xy, so that both are visible
LEARNING = (
    ("xx", series(0).joined(), 5.0, TRAIN),
    ("xy", series(1).joined(), 9.0, "none"),
    ("yx", {"color": BAD, "marker": "x", "linestyle": "none"}, 4.5, BAD),
)


class TensorFigure:
    """Axes drawn once, for all designs of the same frames; `picture` moves points, bars, curves and markers.

    design  the first, whose errors set the range of the axes
    """

    def __init__(self, design: SplitDesign) -> None:
        self.truth, self.sizes = design.truth, design.sizes
        figure = new_figure(7.4, 6.3)
        figure.set_layout_engine("none")
        grid = figure.add_gridspec(2, 2, left=0.095, right=0.985, top=0.955, bottom=0.08, wspace=0.26, hspace=0.34)
        axes = [figure.add_subplot(cell) for cell in grid]
        self.dots, self.bars = {}, {}
        self._parity(axes[0], DIAGONAL, "Parity: diagonal")
        self._parity(axes[1], OFF, "Parity: off the diagonal")
        self.lines = self._learning(axes[2], design)
        self.sweeps, self.marks = self._sweep(axes[3], design)
        groups = (self.bars, self.dots, self.lines, self.sweeps, self.marks)
        self.live = LiveFigure(figure, [artist for group in groups for artist in group.values()])

    def picture(self, design: SplitDesign, fit: TensorFit) -> bytes:
        """PNG of a `fit` of `design`, with bars if it has a spread."""
        for name, dots in self.dots.items():
            a, b = ("xyz".index(axis) for axis in name)
            x, y = self.truth[:, a, b], fit.values[:, a, b]
            dots.set_data(x, y)
            spread = np.zeros_like(y) if fit.spread is None else fit.spread[:, a, b]
            self.bars[name].set_segments(np.stack([np.stack([x, y - spread], 1), np.stack([x, y + spread], 1)], 1))
        for name, line in self.lines.items():
            line.set_data(fit.curve.index, fit.curve[name])
        for column, line in self.sweeps.items():
            line.set_data(design.sweep.index, design.sweep[column])
        for degree, mark in self.marks.items():
            mark.set_data([fit.noise[degree]], [fit.errors[degree]])
        return self.live.png()

    def _parity(self, axes: Axes, names: tuple[str, ...], title: str) -> None:
        dress(axes, "label [Å³]", "predicted ± spread [Å³]", title)
        labels = np.stack([self.truth[:, "xyz".index(a), "xyz".index(b)] for a, b in names])
        margin = 0.12 * float(np.ptp(labels)) or 0.1
        low, high = float(labels.min()) - margin, float(labels.max()) + margin
        axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8)
        axes.set(xlim=(low, high), ylim=(low, high))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
        for k, name in enumerate(names):
            look, how = series(k), {"markersize": 4.5, "alpha": 0.8, "markeredgewidth": 0, "label": name}
            self.bars[name] = axes.add_collection(LineCollection([], colors=look.colour, linewidths=1.0, alpha=0.55))
            (self.dots[name],) = axes.plot([], [], **look.dots(), **how)
            words = {"transform": axes.transAxes, "fontsize": 8, "color": look.colour, "va": "top"}
            axes.text(0.04, 0.95 - 0.075 * k, f"{look.glyph} {name}", **words)

    def _learning(self, axes: Axes, design: SplitDesign) -> dict:
        dress(axes, "training frames", "validation RMSE [Å³]", "Learning curves")
        deviations = self.truth.std(0)
        least = min(design.sweep["valid", degree].min() for degree in PARTS) / 3  # a part has several components
        log_ticks(axes.yaxis, 0.4 * least, 1.6 * max(float(deviations.max()), least))
        log_ticks_at(axes.xaxis, self.sizes, min(self.sizes) / 1.3, max(self.sizes) * 1.3)
        lines = {}
        for name, look, size, face in LEARNING:
            style = {"linewidth": 1.4, "markersize": size, "markerfacecolor": face, "markeredgewidth": 1.2}
            (lines[name],) = axes.plot([], [], label=name, **look, **style)
        legend(axes, loc="lower left")
        return lines

    def _sweep(self, axes: Axes, design: SplitDesign) -> tuple[dict, dict]:
        dress(axes, "regularization", "RMSE of the part [Å³]", "Each λ has its own regularization")
        axes.set(xscale="log", xlim=(design.sweep.index.min() / 3, design.sweep.index.max() * 3))
        axes.xaxis.set_major_locator(FixedLocator([1e-10, 1e-8, 1e-6, 1e-4, 1e-2]))
        axes.xaxis.set_minor_locator(NullLocator())
        valid = design.sweep["valid"]
        log_ticks(axes.yaxis, valid.min().min() / 6, 1.5 * valid.max().max())  # room for the legend below
        lines, marks = {}, {}
        for k, (degree, colour) in enumerate(PARTS.items()):
            for name, words, width, row in (("valid", "validation", 1.5, 0), ("train", "training", 1.0, 2)):
                how = {"linewidth": width, "label": f"λ = {degree}, {words}"}
                (lines[name, degree],) = axes.plot([], [], **series(row + k, colour).line(), **how)
            edge = {"markeredgecolor": "white", "markeredgewidth": 1.2}
            (marks[degree],) = axes.plot([], [], **series(k, colour).dots(), markersize=8, **edge)
        legend(axes, loc="lower left")
        return lines, marks
