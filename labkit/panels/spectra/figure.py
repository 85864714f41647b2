"""Infrared, Raman and density of states above one another, drawn while they grow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.ticker import MaxNLocator

from labkit.panels.kit.live_figure import LiveFigure
from labkit.panels.kit.series import SeriesStyle, series
from labkit.panels.kit.style import BAD, FORCE, INK, MUTED, TRAIN, VALID, dress, legend, new_figure
from labkit.spectra import Spectrum
from labkit.spectra.spectra_set import SpectraSet

HIGHEST = 4000.0  # cm⁻¹
BELOW = 0.22  # of the height above zero, for sticks


class Curve(NamedTuple):
    """A spectrum's `name`, as it is labelled and drawn."""

    name: str
    label: str
    style: SeriesStyle


ROWS = {
    "Infrared": ("n·α [cm⁻¹]", [Curve("infrared", "infrared", series(0))]),
    "Raman": (
        "intensity [Å⁶ cm]",
        [
            Curve("raman_isotropic", "isotropic", series(0, FORCE)),
            Curve("raman_anisotropic", "anisotropic", series(1, VALID)),
        ],
    ),
    "Density of states": (
        "modes [cm]",
        [
            Curve("density_of_states", "all atoms", series(0, INK)),
            Curve("density_of_states_H", "hydrogen", series(1, TRAIN)),
            Curve("density_of_states_O", "oxygen", series(2, BAD)),
        ],
    ),
}

NEEDS = {"Infrared": "model of the Born charges", "Raman": "model of the polarizability"}


class SpectraFigure:
    """Axes that stay fixed while curves grow in them.

    The dark band is the standard error over the trajectories; the light one adds the spread over the models. Sticks
    below zero are the harmonic modes, each kind on a separate scale.
    """

    def __init__(self) -> None:
        figure = new_figure(7.4, 6.9)
        figure.set_layout_engine("none")
        grid = figure.add_gridspec(len(ROWS), 1, left=0.105, right=0.97, top=0.965, bottom=0.068, hspace=0.24)
        self.axes: dict[str, Axes] = {}
        self.lines, self.bands, self.sticks, self.curves = {}, {}, {}, {}
        for cell, (title, (label, curves)) in zip(grid, ROWS.items(), strict=True):
            last = cell.is_last_row()
            axes = dress(figure.add_subplot(cell), "wavenumber [cm⁻¹]" if last else "", label, title)
            axes.set_xlim(0, HIGHEST)
            axes.set_ylim(-BELOW, 1)
            axes.axhline(0, color=MUTED, linewidth=0.8)
            axes.xaxis.set_major_locator(MaxNLocator(9))
            axes.yaxis.set_major_locator(MaxNLocator(4))
            for curve in curves:
                self._add(axes, curve)
            legend(axes, loc="upper right")
            self.axes[title] = axes
        self.words = figure.text(0.97, 0.99, "", fontsize=8, color=MUTED, ha="right", va="top")
        moving = [*(band for pair in self.bands.values() for band in pair), *self.sticks.values()]
        self.live = LiveFigure(figure, [*moving, *self.lines.values(), self.words])

    def _add(self, axes: Axes, curve: Curve) -> None:
        name = curve.name
        self.curves[name], colour = curve, curve.style.colour
        self.bands[name] = tuple(
            axes.add_collection(PolyCollection([], facecolor=colour, alpha=alpha, linewidth=0), autolim=False)
            for alpha in (0.13, 0.28)
        )
        width = 2.6 if curve.label == "anisotropic" else 1.2  # sticks of the same mode are drawn behind one another
        self.sticks[name] = axes.add_collection(
            LineCollection([], colors=colour, linewidths=width, alpha=0.8), autolim=False
        )
        (self.lines[name],) = axes.plot([], [], **curve.style.line(), linewidth=1.4, label=curve.label)

    def picture(self, shown: SpectraSet) -> bytes:
        """PNG of the spectra so far."""
        for title, (_, curves) in ROWS.items():
            here = {curve.name: shown.spectra[curve.name] for curve in curves if curve.name in shown.spectra}
            for name, spectrum in here.items():
                self._draw(name, spectrum)
            if not here:
                self._say_missing(title)
                continue
            top = self._reach(self.axes[title], list(here.values()))
            for name in here:
                self.sticks[name].set_segments(_segments(*shown.sticks.get(name, (np.empty(0), np.empty(0))), top))
        self.words.set_text(
            f"{shown.picoseconds:.3g} ps × {len(shown.spectra['density_of_states'].samples)} replicas, "
            f"resolution {shown.resolution:.0f} cm⁻¹"
        )
        return self.live.png()

    def _say_missing(self, title: str) -> None:
        """In the place of a spectrum, the model that it needs."""
        axes = self.axes[title]
        if not axes.texts:
            axes.text(0.5, 0.5, f"not computed: no {NEEDS[title]} was given", transform=axes.transAxes, ha="center",
                      fontsize=9, color=MUTED)  # fmt: skip
            self.live.freeze()

    def _draw(self, name: str, spectrum: Spectrum) -> None:
        x, y = spectrum.frequency, spectrum.intensity
        self.lines[name].set_data(x, y)
        for band, error in zip(self.bands[name], (spectrum.error_total, spectrum.error), strict=True):
            if error is not None:
                band.set_verts([np.column_stack([np.r_[x, x[::-1]], np.r_[y + error, (y - error)[::-1]]])])

    def _reach(self, axes: Axes, spectra: list[Spectrum]) -> float:
        """Fit the axes to the highest curve with its band, where it leaves them or has become small in them."""
        need = 0.0
        for spectrum in spectra:
            error = 0.0 if spectrum.error_total is None else spectrum.error_total
            need = max(need, float((spectrum.intensity + error)[spectrum.frequency <= HIGHEST].max()))
        top = axes.get_ylim()[1]
        if not 0.55 * top < need < top and need > 0:
            top = 1.2 * need
            axes.set_ylim(-BELOW * top, top)
            self.live.freeze()
        return top


def _segments(frequency: np.ndarray, height: np.ndarray, top: float) -> np.ndarray:
    """Lines from zero downwards (K, 2, 2), the longest to the lower edge."""
    ends = -BELOW * top * height / max(height.max(initial=0.0), 1e-300)
    return np.stack([np.stack([frequency, 0 * ends], 1), np.stack([frequency, ends], 1)], 1)
