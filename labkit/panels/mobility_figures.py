"""Pictures of colloids as the last line of a cell: learned mobilities, a sedimenting cloud, heights above a wall."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from IPython.display import Image
from matplotlib.collections import EllipseCollection
from matplotlib.colors import to_rgb
from torch import Tensor

from labkit.base import State
from labkit.mobility.examples import AboveWall
from labkit.panels.kit.live_figure import LiveFigure
from labkit.panels.kit.plotted import PER_INCH
from labkit.panels.kit.series import series
from labkit.panels.kit.style import GRID, INK, MUTED, TRAIN, VALID, dress, legend, new_figure, notebook_image
from labkit.panels.movie import Movie

WIDTHS = (6.0, 3.2, 1.2, 1.4)  # of curves that coincide


def learned_figure(
    distances: Tensor, learned: Tensor, truth: Tensor, radius: float, bars: Tensor | None = None
) -> Image:
    """M over the distance in radii, (R, 3) each, in units of the true M_self; and the error in per cent of that.

    bars  (R, 3) standard errors of the learned mobility, as from `pair_learned`: bands of two of them around the errors
    """
    figure = new_figure(7.6, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    dress(left, "distance [radii]", r"$M / M_\mathrm{self}$", "Learned, and the truth (dashed)")
    dress(right, "distance [radii]", r"error [% of $M_\mathrm{self}$]", "Error")
    own = float(truth[0, 0])
    for k, (name, colour) in enumerate(zip(("itself", "other, along", "other, across"), (INK, TRAIN, VALID))):
        style = series(k, colour)
        left.plot(distances / radius, learned[:, k] / own, **style.marked(), linewidth=1.4, label=name)
        left.plot(distances / radius, truth[:, k] / own, **style.reference(), linewidth=1.1)
        error = 100 * (learned - truth)[:, k] / own
        right.plot(distances / radius, error, **style.marked(), linewidth=1.4)
        if bars is not None:
            half = 200 * bars[:, k] / own
            right.fill_between(distances / radius, error - half, error + half, color=colour, alpha=0.15, linewidth=0)
    left.set_ylim(0, 1.35)
    right.axhline(0, color=GRID, linewidth=1.2)
    legend(left)
    return notebook_image(figure)


def falling_figure(time: Tensor, falls: Mapping[str, Tensor], before: State, after: State) -> Image:
    """Left: mean height [Å] over time [fs], by name. Right: where the colloids were and are, seen from the side."""
    figure = new_figure(7.6, 3.8)
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    dress(left, "time [ns]", "mean height [nm]", "Falling")
    for k, (name, height) in enumerate(falls.items()):
        left.plot(1e-6 * time, 0.1 * height, **series(k).line(), linewidth=WIDTHS[k % len(WIDTHS)], label=name)
    dress(right, "x [nm]", "z [nm]", "The cloud")
    for state, colour, marker, name in ((before, MUTED, "s", "before"), (after, TRAIN, "o", "after")):
        x, edge = 0.1 * state.positions, {"edgecolor": "white", "linewidth": 0.5}
        right.scatter(x[:, 0], x[:, 2], s=40, color=colour, marker=marker, alpha=0.6, label=name, **edge)
    right.set_aspect("equal", adjustable="datalim")
    legend(right)
    legend(left)
    return notebook_image(figure)


def falling_movie(time: Tensor, positions: Tensor, radius: float, width: int = 380) -> Movie:
    """Colloids of this radius [Å] at positions (T, n, 3) Å and times (T,) fs, to scale and seen from the side.

    Those nearer to the eye cover the others and are darker. The clock is in the picture.
    """
    x = 0.1 * positions.detach().numpy()
    low, high = x.min((0, 1)) - 0.2 * radius, x.max((0, 1)) + 0.2 * radius
    tall = (high - low)[2] / (high - low)[0]
    figure = new_figure(3.8, float(np.clip(3.8 * tall, 3.0, 7.0)))
    figure.set(dpi=1.2 * PER_INCH, layout_engine="none")  # half the bytes of a still picture
    axes = dress(figure.add_axes((0.15, 0.1, 0.83, 0.83)), "x [nm]", "z [nm]")
    axes.set(xlim=(low[0], high[0]), ylim=(low[2], high[2]))
    axes.set_aspect("equal")  # limits stay: data limits that are adjusted would be announced in red
    size = np.full(x.shape[1], 0.2 * radius)
    discs = EllipseCollection(size, size, np.zeros_like(size), units="xy", transOffset=axes.transData, linewidths=0.6)
    axes.add_collection(discs)
    clock = axes.text(0.02, 1.02, "", transform=axes.transAxes, fontsize=9, color=INK)
    live = LiveFigure(figure, [discs, clock])
    pale, dark = (np.array(to_rgb(colour)) for colour in ("#dfe8f2", TRAIN))

    def frame(k: int) -> bytes:
        order = np.argsort(-x[k, :, 1])  # from the farthest to the nearest
        depth = (high[1] - x[k, order, 1]) / (high[1] - low[1])
        discs.set(offsets=x[k][order][:, [0, 2]], facecolors=pale + depth[:, None] * (dark - pale), edgecolors="white")
        clock.set_text(f"{1e-6 * float(time[k]):.2f} ns")
        return live.png()

    heights = x[:, :, 2].mean(1)
    sink = f"their mean height goes from {heights[0]:.3g} to {heights[-1]:.3g} nm in {1e-6 * float(time[-1]):.3g} ns"
    words = f"Film of {x.shape[1]} colloids that fall, seen from the side: {sink}."
    return Movie(map(frame, range(len(x))), width=width, alt=words)


def heights_figure(heights: Mapping[str, Tensor], above: AboveWall, thermal: float, mobility: Tensor) -> Image:
    """Histograms of heights [Å] by name, with Boltzmann's density, and the density without the drift term.

    mobility  (n,) across the wall, at the heights of `above.boltzmann` from 0 to 7 radii
    """
    z, density = (part.numpy() for part in above.boltzmann(thermal, 7 * above.radius, len(mobility)))
    with np.errstate(divide="ignore"):
        wrong = np.where(density > 0, density / mobility.numpy().clip(1e-30), 0.0)
    wrong = wrong / np.trapezoid(wrong, z)
    figure = new_figure(7.6, 3.4)
    edges = np.linspace(above.radius, 5 * above.radius, 33)
    for axes, (name, found) in zip(figure.subplots(1, 2, sharey=True), heights.items(), strict=True):
        dress(axes, "height [nm]", "share [1/nm]", name)
        axes.hist(0.1 * found, 0.1 * edges, density=True, color=TRAIN, alpha=0.35, label="found")
        axes.plot(0.1 * z, 10 * density, color=INK, linewidth=1.4, label=r"Boltzmann, $e^{-U/k_\mathrm{B}T}$")
        axes.plot(0.1 * z, 10 * wrong, "--", color=VALID, linewidth=1.4, label=r"$e^{-U/k_\mathrm{B}T}/M_{zz}$")
        axes.set_xlim(0.1 * edges[0], 0.1 * edges[-1])
        legend(axes)
    return notebook_image(figure)
