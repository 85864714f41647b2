"""Pairs that are let go again and again; what they say at a lag; a model that is learned from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import pandas as pd
import torch

from labkit.base import Progress
from labkit.errors import Stopped
from labkit.mobility import Active, Estimate, PairModel, by_distance, pair_active, pair_passive, train
from labkit.mobility.tweezers import LAGS, Sightings, Tweezers
from labkit.units import KB, NANOMETRE

PAIRS = 1000  # let go at once
BINS = 9  # of distances
STEPS = 4  # of training, ten iterations each
NAMES = ("self", "along", "across")


@dataclass(frozen=True, eq=False)
class Findings:
    """All that was seen so far in one experiment, and what was learned from it at the lag `learned_at` fs."""

    tweezers: Tweezers
    seed: int  # of the next flash
    sightings: Sightings | None = None
    learned: PairModel | None = None
    learned_at: float = 0.0

    @property
    def edges(self) -> list[float]:
        """Å, of the bins of distances."""
        return torch.linspace(self.tweezers.nearest, self.tweezers.farthest, BINS + 1).tolist()

    def at(self, lag: float) -> View:
        """Estimates at this lag [fs], and at all lags."""
        seen = {t: self.sightings.data(t) for t in LAGS}
        near = {t: found[0] for t, data in seen.items() if (found := by_distance(data, self.edges[:2]))}
        bins = by_distance(seen[lag], self.edges)
        return View(self, lag, bins, near, {t: overall(data) for t, data in seen.items()})


@dataclass(frozen=True, eq=False)
class View:
    """What is shown of findings at a lag: (distance Å, estimate) of each bin; by lag: of the nearest bin, of all."""

    findings: Findings
    lag: float
    bins: list[tuple[float, Estimate]]
    nearest: dict[float, tuple[float, Estimate]]
    overall: dict[float, Estimate]

    @property
    def scale(self) -> float:
        """k_BT times one Å²/(eV fs), in nm²/ns."""
        return KB * self.findings.tweezers.temperature * 1e6 / NANOMETRE**2

    @property
    def table(self) -> pd.DataFrame:
        """A row for each bin: distance [Å], pairs, the three mobilities and their errors [Å²/(eV fs)]."""
        rows = []
        for r, estimate in self.bins:
            row = {"lag_fs": self.lag, "distance_A": r, "pairs": estimate.samples}
            for name, value, error in zip(NAMES, estimate.value.tolist(), estimate.error.tolist(), strict=True):
                row |= {name: value, f"{name}_error": error}
            rows.append(row)
        return pd.DataFrame(rows)


def overall(data: object) -> Estimate:
    """Of pairs at all distances: its first number, M_self, does not depend on them."""
    return pair_active(data) if isinstance(data, Active) else pair_passive(data)


def blink(found: Findings, flashes: int, lag: Callable[[], float | None], *, progress: Progress) -> Iterator[Findings]:
    """Let pairs go `flashes` times and yield what is known after each; then learn, at the lag of then, if any."""
    for k in range(flashes):
        seen = found.tweezers.flash(found.seed)
        seen = seen if found.sightings is None else found.sightings + seen
        found = replace(found, seed=found.seed + 1, sightings=seen)
        progress.update(k + 1, flashes + (STEPS if lag() is not None else 0))
        yield found
    if (at := lag()) is not None:
        yield _learn(found, at, flashes, progress)


def _learn(found: Findings, lag: float, before: int, progress: Progress) -> Findings:
    data = found.sightings.data(lag)
    model = PairModel(own=float(overall(data).value[0]), scale=found.tweezers.nearest)
    by = "force matching" if isinstance(data, Active) else "displacements"
    with suppress(Stopped):  # it is as good as it got then
        train(model, data, by=by, steps=STEPS, progress=progress.part(before, before + STEPS, STEPS))
    return replace(found, learned=model, learned_at=lag)
