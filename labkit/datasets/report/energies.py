"""Which shift of frames the energies fit: against what the forces integrate to, or against the geometry alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from labkit.datasets.report.labels import Labels
from labkit.datasets.report.path import path_work
from labkit.datasets.report.shifts import CERTAIN, FEWEST, Alignment, Normal, correlation_length, judge, shift_range

if TYPE_CHECKING:
    from labkit.datasets.report.survey import Survey

CLIP = 6.0  # robust standard deviations beyond which one frame's energy counts no more
SMALL_STEPS = 0.1  # share of the variance that the work along the path may leave unexplained, to be used
EXPECTED = 0.05  # probability below which energies are found shifted as the forces are
MOST = 300  # frames of a regression without forces
DIFFERENT = 30  # frames that know nothing of each other, below which such a regression follows any smooth curve


@dataclass(frozen=True, eq=False)
class EnergyCheck:
    """How labelled energies follow the forces.

    alignment  by shift
    low, high  bounds of the ratio of labelled energy differences to those that the forces integrate to; NaN without
    by         'path', 'model' or 'geometry': what the energies were held against
    residual   (S,) eV, of every frame's energy at the shift found, NaN where unknown
    spread     eV, the robust standard deviation of that
    variation  eV, that of the energies themselves
    """

    alignment: Alignment
    low: float
    high: float
    by: str
    residual: np.ndarray
    spread: float
    variation: float

    @property
    def explained(self) -> float:
        """Share of the energies' variance at the shift that is taken."""
        return 1 - self.alignment.at(self.alignment.taken)


@dataclass(frozen=True, eq=False)
class Pairing:
    """Energies (S,) and what a model says of the same frames (S,), both less their medians; NaN where unknown."""

    true: np.ndarray
    model: np.ndarray
    orders: np.ndarray

    def at(self, shift: int) -> tuple[np.ndarray, np.ndarray]:
        """Model of frame k and energy of frame k + shift, (S,) each, less their means; NaN unless both are."""
        n = len(self.true)
        source = np.arange(n) + shift
        there = (source >= 0) & (source < n)
        source = np.where(there, source, 0)
        both = there & (self.orders[source] == self.orders) & np.isfinite(self.true[source]) & np.isfinite(self.model)
        x, y = np.where(both, self.model, np.nan), np.where(both, self.true[source], np.nan)
        return (x - np.nanmean(x), y - np.nanmean(y)) if both.any() else (x, y)

    def residual(self, shift: int) -> np.ndarray:
        """(S,) of the regression of energies on the model, over the energies' standard deviation."""
        x, y = self.at(shift)
        xx, xy, yy = np.nansum(x * x), np.nansum(x * y), np.nansum(y * y)
        if xx == 0 or yy == 0:
            return np.full(len(x), np.nan)
        return (y - xy / xx * x) / np.sqrt(yy / np.isfinite(y).sum())

    def ratio(self, shift: int) -> tuple[float, float]:
        """Regression of energies on the model, and of the model on energies: what errors of both leave between."""
        x, y = self.at(shift)
        xx, xy, yy = np.nansum(x * x), np.nansum(x * y), np.nansum(y * y)
        low, high = sorted((xy / xx, yy / xy), key=abs) if xy else (0.0, np.inf)
        return float(low), float(high)

    def scan(self, likely: tuple[int, ...] = ()) -> Alignment | None:
        """By shift, with the odds of two Gaussian models that each have the spread of their own residuals.

        Shifts may be `likely` beforehand, as likely as none: those of the forces. The others have to stand out of all.
        """
        shifts = shift_range(len(self.true))
        residuals = [self.residual(int(s)) for s in shifts]
        counts = np.array([np.isfinite(r).sum() for r in residuals])
        usable = counts >= max(FEWEST, counts.max() // 3)
        zero = int(np.flatnonzero(shifts == 0)[0])
        if not usable[zero]:
            return None
        error = np.array([np.nanmean(r**2) if use else np.nan for r, use in zip(residuals, usable)])
        error = np.maximum(error, 1e-12)
        best = int(np.nanargmin(error))
        others = np.where(np.arange(len(shifts)) == best, np.nan, error)
        rival = zero if best != zero or not np.isfinite(others).any() else int(np.nanargmin(others))
        length = correlation_length(residuals[best])
        alone = min(-0.5 * counts[best] / length * np.log(error[best]), 700.0)
        length = max(length, correlation_length(residuals[rival]))
        odds = 0.5 * min(counts[best], counts[rival]) / length * np.log(error[rival] / error[best])
        expected = best != zero and int(shifts[best]) in likely
        tried, certain = (1, EXPECTED) if expected else (int(usable.sum()), CERTAIN)
        p = min(1.0, float(np.exp(-min(odds, 700.0))) * tried)
        if np.exp(-alone) * tried > certain:
            verdict, found = ("unrelated" if counts[best] / length > 2 * DIFFERENT else "unclear"), None
        elif best == zero:
            verdict, found = "aligned", 0
        else:
            verdict, found = ("shifted", int(shifts[best])) if p < certain else ("unclear", None)
        z = float(np.sqrt(2 * max(odds, 0.0)))
        made = Alignment("energy", shifts, error, counts, found, verdict, int(shifts[best]), int(shifts[rival]), z, p)
        return replace(made, rolled=self._goes_round(made.taken, float(error[best]))) if found else made

    def _goes_round(self, shift: int, error: float) -> bool:
        """Whether energies of the other end are likelier those of the frames left over than those of any frames."""
        n = len(self.true)
        over = np.arange(n - shift, n) if shift > 0 else np.arange(-shift)
        x, y = self.at(shift)
        own = np.nansum(y * y) / np.isfinite(y).sum()
        off = self.true[(over + shift) % n] - np.nansum(x * y) / np.nansum(x * x) * self.model[over]
        gain = -0.5 * np.log(error) - 0.5 * (off**2 / (error * own) - self.true[(over + shift) % n] ** 2 / own)
        return bool(np.nansum(gain) > 2.0)


def check(labels: Labels, frames: np.ndarray, modelled: np.ndarray, forces: Alignment) -> EnergyCheck | None:
    """Compare energies with those `modelled` (F,) for some frames by forces that are aligned so.

    None where fewer than FEWEST frames of one composition have an energy.
    """
    dataset, orders, shift = labels.dataset, labels.orders, forces.taken
    likely = (shift, shift - len(dataset), shift + len(dataset)) if forces.rolled else (shift,)
    model = np.full(len(dataset), np.nan)
    model[frames] = modelled
    model = clipped(centred(labels, model))
    true = centred(labels, dataset.energy)
    change = np.append(np.where(orders[1:] == orders[:-1], np.diff(dataset.energy), np.nan), np.nan)
    pairings = {
        "path": Pairing(clipped(change), clipped(path_work(labels, shift)), orders),
        "model": Pairing(clipped(true), model, orders),
    }
    found = {by: pairing.scan(likely) for by, pairing in pairings.items()}
    if found["model"] is None:
        return None
    small = found["path"] is not None and np.nanmin(found["path"].error) < SMALL_STEPS
    by = "path" if small else "model"
    alignment = found[by]
    if small:  # the model judges single frames, so it judges also whether those of the other end belong there
        around = pairings["model"]._goes_round(alignment.taken, found["model"].at(alignment.taken))
        alignment = replace(alignment, rolled=bool(alignment.found) and around)
    slope, _ = pairings["model"].ratio(alignment.taken)
    source = np.arange(len(true)) + alignment.taken
    there = (source >= 0) & (source < len(true))
    residual = np.where(there, true[np.where(there, source, 0)], np.nan) - slope * model
    low, high = pairings[by].ratio(alignment.taken)
    return EnergyCheck(alignment, low, high, by, residual, deviation(residual), deviation(true))


def check_alone(labels: Labels, seen: Survey) -> EnergyCheck | None:
    """Energies against the geometry alone, where no forces help: a ridge regression on the basis functions."""
    energy = clipped(centred(labels, labels.dataset.energy))
    if correlation_length(energy) * DIFFERENT > np.isfinite(energy).sum():
        return None
    some = np.arange(len(seen.frames))[:: -(-len(seen.frames) // MOST)]
    prints = np.stack([centred(labels, column, seen.frames) for column in seen.prints.T], 1)[some]
    prints /= np.sqrt(np.nanmean(prints**2, 0)) + 1e-12
    shifts, orders, n = shift_range(len(energy)), labels.orders, len(energy)
    source = seen.frames[some][:, None] + shifts
    there = (source >= 0) & (source < n)
    source = np.where(there, source, 0)
    there &= (orders[source] == orders[seen.frames[some]][:, None]) & np.isfinite(energy[source])
    there &= np.isfinite(prints).all(1)[:, None]
    prints, y = np.nan_to_num(prints), np.where(there, np.nan_to_num(energy[source]), 0.0)
    gram = prints[:, :, None] * prints[:, None, :]
    judged = judge("energy", shifts, Normal(gram, prints[:, :, None] * y[:, None, :], y**2, there.astype(float)))
    if judged is None or judged.verdict == "unrelated":
        return None  # too poor a model to say anything
    nothing = np.full(n, np.nan)
    return EnergyCheck(judged, np.nan, np.nan, "geometry", nothing, np.nan, deviation(energy))


def centred(labels: Labels, values: np.ndarray, frames: np.ndarray | None = None) -> np.ndarray:
    """Less the median of each order of atoms that 4 frames or more have (the others are NaN).

    Where the volume varies, its first two powers are taken out, too: forces do not know what they add to the energy.
    """
    frames = np.arange(len(values)) if frames is None else frames
    atoms, orders = labels.dataset.atoms, labels.orders[frames]
    out = np.full(len(values), np.nan)
    for order in np.unique(orders):
        mine = np.flatnonzero((orders == order) & np.isfinite(values))
        if len(mine) < 4:
            continue
        out[mine] = values[mine] - np.median(values[mine])
        volume = np.array([atoms[k].cell.volume for k in frames[mine]])
        if volume.std() > 1e-3 * volume.mean() and len(mine) >= 10:
            powers = np.vander((volume - volume.mean()) / volume.std(), 3)
            out[mine] -= powers @ np.linalg.lstsq(powers, out[mine], rcond=None)[0]
    return out


def clipped(values: np.ndarray) -> np.ndarray:
    """Within CLIP robust standard deviations."""
    most = CLIP * deviation(values)
    return np.clip(values, np.nanmedian(values) - most, np.nanmedian(values) + most) if most > 0 else values


def deviation(values: np.ndarray) -> float:
    """Robust standard deviation, 1.4826 times the median of |x - median|; NaN are left out."""
    known = values[np.isfinite(values)]
    return float(1.4826 * np.median(np.abs(known - np.median(known)))) if len(known) else np.nan
