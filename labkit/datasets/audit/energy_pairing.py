"""Two series of energies, frame by frame, and the shift at which they agree."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from labkit.datasets.audit.alignment import CERTAIN, FEWEST, Alignment, correlation_length, lowest, shift_range
from labkit.datasets.audit.ratio import Changes, Ratio

CLIP = 6.0  # robust standard deviations at which one frame's energy is clipped
EXPECTED = 0.05  # probability below which energies are found shifted as the forces are
DIFFERENT = 30  # independent frames, below which any two smooth curves look alike


@dataclass(frozen=True, eq=False)
class Pairing:
    """Energies (S,) and a model's energies of the same frames (S,), both minus their medians; NaN where unknown."""

    true: np.ndarray
    model: np.ndarray
    orders: np.ndarray

    def at(self, shift: int) -> tuple[np.ndarray, np.ndarray]:
        """Model of frame k and energy of frame k + shift, (S,) each, minus their means; NaN unless both are known."""
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

    def slope(self, shift: int) -> float:
        """Of the regression of energies on the model."""
        x, y = self.at(shift)
        xx = np.nansum(x * x)
        return float(np.nansum(x * y) / xx) if xx else 0.0

    def ratio(self, shift: int, unexplained: float) -> Ratio | None:
        """Of energies to the model, whose forces leave this share of the squares of labelled ones unexplained.

        An error of the model of that size is common to all frames, and no scatter shows it.
        """
        x, y = self.at(shift)
        found = Changes(y, x, np.ones(len(x)), "model").ratio(common=1.0)
        return found and found._replace(error=float(np.hypot(found.error, np.sqrt(max(unexplained, 0.0)))))

    def whitened(self) -> Pairing:
        """Both minus ρ times their values one frame before, with the ρ of the energies.

        Energies of a trajectory are smooth, and any two smooth curves are alike somewhere; what is new in each frame is
        not. In shuffled frames ρ is about 0, and nothing changes.
        """
        y = np.where(np.append(False, self.orders[1:] == self.orders[:-1]), self.true, np.nan)
        before = np.append(np.nan, self.true[:-1])
        both = np.isfinite(y) & np.isfinite(before)
        total = np.sum(before[both] ** 2)
        rho = float(np.clip(np.sum(y[both] * before[both]) / total, 0.0, 0.99)) if total > 0 else 0.0
        new = (x - rho * np.append(np.nan, x[:-1]) for x in (self.true, self.model))
        return Pairing(*(clipped(np.where(both, x, np.nan)) for x in new), self.orders)

    def scan(self, likely: tuple[int, ...] = ()) -> tuple[Alignment, float] | None:
        """By shift, with the odds of two Gaussian models that each have the spread of their own residuals.

        The second value is the logarithm of the odds of the best shift against no relation at all.

        The shifts in `likely`, those of the forces, are a priori as likely as no shift. Others must stand out from all.
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
        best = lowest(shifts, error, counts, len(self.true))
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
        made = replace(made, rolled=self.wraps_around(made.used_shift, float(error[best]))) if found else made
        return made, float(alone)

    def wraps_around(self, shift: int, error: float) -> bool:
        """Whether energies of the other end fit the frames left over better than they fit any frames."""
        n = len(self.true)
        over = np.arange(n - shift, n) if shift > 0 else np.arange(-shift)
        x, y = self.at(shift)
        own = np.nansum(y * y) / np.isfinite(y).sum()
        off = self.true[(over + shift) % n] - np.nansum(x * y) / np.nansum(x * x) * self.model[over]
        gain = -0.5 * np.log(error) - 0.5 * (off**2 / (error * own) - self.true[(over + shift) % n] ** 2 / own)
        return bool(np.nansum(gain) > 2.0)


def clipped(values: np.ndarray) -> np.ndarray:
    """Values clipped at CLIP robust standard deviations."""
    most = CLIP * deviation(values)
    return np.clip(values, np.nanmedian(values) - most, np.nanmedian(values) + most) if most > 0 else values


def deviation(values: np.ndarray) -> float:
    """Robust standard deviation, 1.4826 times the median of |x - median|; NaN are left out."""
    known = values[np.isfinite(values)]
    return float(1.4826 * np.median(np.abs(known - np.median(known)))) if len(known) else np.nan
