"""Pairs of colloids released repeatedly from tweezers: estimates of the mobility at any lag, and a learned model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pandas as pd
import torch

from labkit.base import Progress
from labkit.errors import Stopped
from labkit.mobility.data import Active
from labkit.mobility.estimate import Estimate, by_distance, pair_active, pair_passive
from labkit.mobility.learned import PairModel
from labkit.mobility.training import train
from labkit.mobility.tweezers import LAGS, Sightings, Tweezers
from labkit.units import KB, NANOMETRE

PAIRS = 1000  # in one release
BINS = 9  # of distances
STEPS = 4  # of training, ten iterations each
NAMES = ("self", "along", "across")


@dataclass(frozen=True, eq=False)
class RepeatedReleases:
    """All pairs of an experiment so far, and the model learned from them at the lag `learned_at` fs.

    learned_steps  steps of its training, STEPS unless it was stopped
    learned_until  seed after the last release that it was learned from
    """

    tweezers: Tweezers
    seed: int  # of the next release
    sightings: Sightings | None = None
    learned: PairModel | None = None
    learned_at: float = 0.0
    learned_steps: int = 0
    learned_until: int = 0

    @property
    def edges(self) -> list[float]:
        """Å, of the bins of distances."""
        return torch.linspace(self.tweezers.nearest, self.tweezers.farthest, BINS + 1).tolist()

    def at(self, lag: float) -> LagEstimates:
        """Estimates at this lag [fs], and at all lags."""
        seen = {t: self.sightings.data(t) for t in LAGS}
        near = {t: found[0] for t, data in seen.items() if (found := by_distance(data, self.edges[:2]))}
        bins = by_distance(seen[lag], self.edges)
        return LagEstimates(self, lag, bins, near, {t: overall(data) for t, data in seen.items()})


@dataclass(frozen=True, eq=False)
class LagEstimates:
    """Estimates at a lag: (distance Å, estimate) of each bin; and by lag, of the nearest bin and of all pairs."""

    releases: RepeatedReleases
    lag: float
    bins: list[tuple[float, Estimate]]
    nearest: dict[float, tuple[float, Estimate]]
    overall: dict[float, Estimate]

    @property
    def scale(self) -> float:
        """k_BT times one Å²/(eV fs), in nm²/ns."""
        return KB * self.releases.tweezers.temperature * 1e6 / NANOMETRE**2

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
    """The estimate from pairs at all distances; its first number, M_self, does not depend on the distance."""
    return pair_active(data) if isinstance(data, Active) else pair_passive(data)


def release_pairs(
    run: RepeatedReleases, releases: int, lag: Callable[[], float | None], *, progress: Progress
) -> Iterator[RepeatedReleases]:
    """Release pairs `releases` times and yield after each; then learn a model at `lag()` fs, unless that is None."""
    for k in range(releases):
        seen = run.tweezers.flash(run.seed)
        seen = seen if run.sightings is None else run.sightings + seen
        run = replace(run, seed=run.seed + 1, sightings=seen)
        progress.update(k + 1, releases + (STEPS if lag() is not None else 0))
        yield run
    if (at := lag()) is not None:
        yield _learn(run, at, releases, progress)


def _learn(run: RepeatedReleases, lag: float, before: int, progress: Progress) -> RepeatedReleases:
    data = run.sightings.data(lag)
    model = PairModel(own=float(overall(data).value[0]), scale=run.tweezers.nearest)
    by = "force matching" if isinstance(data, Active) else "displacements"
    try:
        losses = train(model, data, by=by, steps=STEPS, progress=progress.part(before, before + STEPS, STEPS))
    except Stopped as stopped:
        losses = stopped.partial  # the model so far is kept
    return replace(run, learned=model, learned_at=lag, learned_steps=len(losses), learned_until=run.seed)
