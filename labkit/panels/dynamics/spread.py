"""The spread of the potential along a run, with a mark where the structure is outside its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from ase import Atoms
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from labkit.active import DataRange
from labkit.active.data_range import MARGIN
from labkit.base import Potential, Progress
from labkit.datasets import Dataset
from labkit.engine.adjustable_run import AdjustableRun, RunSetting, run_in_blocks
from labkit.panels.kit.style import BAD, INK, MUTED, dress
from labkit.units import MEV

SPREADS = 60  # of one run, about: each takes as long as a step or more
USUAL = (0.85, 1.25)  # of the axis: the ratio of a run within its data, and a little more
MILLI = {"eV": ("meV", 1 / MEV), "eV/Å": ("meV/Å", 1 / MEV)}


def run_with_spread(
    run: AdjustableRun,
    potential: Potential,
    known: Dataset | Sequence[Atoms] | None,
    setting: Callable[[], RunSetting],
    steps: int,
    every: int,
    *,
    progress: Progress,
) -> Iterator[AdjustableRun]:
    """As `run_in_blocks`; every `every` steps the least certain atom is found, if the potential has an uncertainty."""
    data = DataRange.of(potential, known)
    gauge = None if data is None else data.least_certain
    yield from run_in_blocks(run, potential, setting, steps, progress=progress, gauge=gauge, gauge_every=every)


class SpreadCurve:
    """The spread of the least certain atom over time, and lines in `others` where a run leaves its data."""

    def __init__(self, axes: Axes, others: Sequence[Axes]) -> None:
        self.axes = dress(axes, "time [fs]", "spread / largest in the data", "Least certain atom")
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.axhline(1.0, color=MUTED, linewidth=1.0, linestyle="--")
        axes.axhspan(MARGIN, 1e9, color=BAD, alpha=0.08, linewidth=0)
        self.words = axes.text(0.012, 0.93, "", transform=axes.transAxes, fontsize=8, color=BAD, va="top")
        axes.set_ylim(*USUAL)
        # with dots, as a run that explodes early has a single one
        (self.curve,) = axes.plot([], [], "o-", color=INK, linewidth=1.2, markersize=2.5, label="least certain atom")
        (self.crosses,) = axes.plot([], [], "x", color=BAD, markersize=5, label="outside its data")
        self.edges = [each.axvline(0.0, color=BAD, linewidth=1.1, linestyle=":", visible=False) for each in others]

    @property
    def moving(self) -> list[Artist]:
        return [self.curve, self.crosses, self.words, *self.edges]

    def move(self, run: AdjustableRun) -> bool:
        """Show the spreads so far; whether axes have changed."""
        found = list(run.spreads)
        if not found:
            return False
        ratio, unit, scale = np.array([one.ratio for *_, one in found]), found[0][2].unit, 1.0
        if not np.isfinite(ratio).any():  # nothing to compare with: the spread itself
            name, scale = MILLI[unit]
            ratio = np.array([one.spread for *_, one in found]) * scale
            self.axes.set_ylabel(f"spread [{name}]", fontsize=9, color=INK)
        time, out = np.array([t for _, t, _ in found]), np.array([one.outside for *_, one in found])
        self.curve.set_data(time, ratio)
        self.crosses.set_data(time[out], ratio[out])
        if out.any():
            first = time[out][0]
            self.words.set_text(f"outside its data, first at {first:.0f} fs")
            for edge in self.edges:
                edge.set(xdata=[first, first], visible=True)
        low, high = self.axes.get_ylim()
        if ratio.min() >= low and ratio.max() <= high and scale == 1.0:
            return False
        bottom, top = USUAL if scale == 1.0 else (0.95 * ratio.min(), 1.05 * ratio.max())
        self.axes.set_ylim(min(bottom, 0.95 * ratio.min()), max(top, 1.15 * ratio.max()))
        return self.axes.get_ylim() != (low, high)


def words_of(run: AdjustableRun) -> str:
    """Where the run leaves the data of its potential, in words; "" if it does not, or has no spread."""
    found = list(run.spreads)
    out = [(time, one) for _, time, one in found if one.outside]
    if out:
        time, one = out[0]
        symbol = run.state.to_atoms()[0].symbols[one.atom]
        return (
            f"Outside its data from {time:.0f} fs on: atom {one.atom} ({symbol}) has {one.ratio:.2f} times the largest "
            f"spread of the data. Do not trust what follows; {len(out)} of {len(found)} frames checked are outside."
        )
    if found and not np.isfinite(found[0][2].ratio):
        return "There is nothing to compare the spread with: give known=frames, those the potential was trained on."
    return ""
