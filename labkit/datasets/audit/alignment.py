"""The shift of frames at which labels fit the geometry, judged from cross-validated errors at many shifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from labkit.datasets.audit.shift_regression import Normal

FURTHEST = 100  # frames, the largest shift tried
FEWEST = 6  # frames that must remain at a shift for it to be judged
ENOUGH = 20  # frames from which forces that fit nowhere are a problem; fewer are too few to decide
CERTAIN = 1e-2  # probability, times the number of shifts tried, below which a shift is called found


@dataclass(frozen=True, eq=False)
class Alignment:
    """How well the labels of frame k+s fit the geometry of frame k, for many s.

    label     'forces' or 'energy'
    shifts    (S,)
    error     (S,) cross-validated squared error over the labels' own squares: 0 if explained, about 1 if not at all
    frames    (S,) frames compared
    found     the shift of the labels, or None if undecided
    verdict   'aligned', 'shifted', 'unrelated' or 'unclear'
    z, p      of the best shift against none (or, if none is best, against the next best); p counts all shifts tried
    rolled    whether the labels of the other end are in the frames that a shift leaves over
    """

    label: str
    shifts: np.ndarray
    error: np.ndarray
    frames: np.ndarray
    found: int | None
    verdict: str
    best: int
    rival: int
    z: float
    p: float
    rolled: bool = False

    @property
    def is_known(self) -> bool:
        """Whether the shift of the labels is known."""
        return self.verdict in ("aligned", "shifted")

    @property
    def used_shift(self) -> int:
        """The shift used for everything else: the one found, or 0."""
        return self.found or 0

    def at(self, shift: int) -> float:
        """The error at a shift."""
        return float(self.error[self.shifts == shift][0])


def judge(label: str, shifts: np.ndarray, normal: Normal, total_frames: int) -> Alignment | None:
    """Compare all shifts of a set of `total_frames` frames.

    None if there are too few frames to compare.
    """
    total = normal.weight * normal.square
    counts = (normal.weight > 0).sum(0)
    usable = counts >= max(FEWEST, counts.max() // 8)
    zero = int(np.flatnonzero(shifts == 0)[0])
    if not usable[zero]:
        return None
    errors = normal.errors()
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(usable, np.nansum(errors, 0) / total.sum(0), np.nan)
    best = lowest(shifts, share, counts, total_frames)
    others = share.copy()
    others[best] = np.nan
    rival = zero if best != zero else int(np.nanargmin(others)) if np.isfinite(others).any() else zero
    z, p = paired(_log(errors[:, rival]) - _log(errors[:, best]))
    p = min(1.0, p * int(usable.sum()))
    explained = paired(_log(total[:, best]) - _log(errors[:, best]))[1] * int(usable.sum())
    elsewhere = min(float(np.nanmedian(share)), 1.0)  # a static part of the forces is explained at any shift
    if share[best] > (0.9 * elsewhere if explained < CERTAIN else 0.5) and share[best] > 0.5:
        verdict, found = "unrelated", None
    elif best == zero:
        verdict, found = "aligned", 0
    else:
        verdict, found = ("shifted", int(shifts[best])) if p < CERTAIN else ("unclear", None)
    return Alignment(label, shifts, share, counts, found, verdict, int(shifts[best]), int(shifts[rival]), z, p)


def lowest(shifts: np.ndarray, error: np.ndarray, counts: np.ndarray, frames: int) -> int:
    """The shift of least error; of a shift and its counterpart after wrapping around, the one with more frames."""
    best = int(np.nanargmin(error))
    other = np.flatnonzero(np.abs(shifts - shifts[best]) == frames)
    for k in other[(counts[other] > counts[best]) & (error[other] < 1.5 * error[best] + 0.05)]:
        best = int(k)
    return best


def _log(errors: np.ndarray) -> np.ndarray:
    """Ratios of errors are compared, not differences, so that a few bad frames cannot hide the result of the others."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.where(errors > 0, errors, np.nan))


def paired(gain: np.ndarray) -> tuple[float, float]:
    """z and one-sided p of a mean above 0, with as many numbers as there are independent frames."""
    known = gain[np.isfinite(gain)]
    if len(known) < 3 or known.std() == 0:
        return 0.0, 1.0
    independent = max(len(known) / correlation_length(gain), 2.0)
    z = known.mean() / known.std() * np.sqrt(max(independent - 1, 1))
    return float(z), float(stats.t.sf(z, max(independent - 1, 1)))


def correlation_length(values: np.ndarray) -> float:
    """1 + 2 Σ ρ_t, the number of neighbouring frames that count as one, since they are correlated along a trajectory.

    The autocorrelation ρ is summed up to its first negative value. NaN are left out.
    """
    known = values[np.isfinite(values)]
    centred = known - known.mean() if len(known) else known
    n = len(known)
    if n < 3 or not centred.any():
        return 1.0
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    correlation = np.fft.irfft(spectrum, size)[:n]
    correlation /= correlation[0]
    negative = np.flatnonzero(correlation < 0)
    return float(1 + 2 * correlation[1 : min(negative[0] if len(negative) else n, n // 3 + 1)].sum())


def shift_range(n: int) -> np.ndarray:
    """The shifts to try in n frames."""
    most = max(min(FURTHEST, n - FEWEST), 0)
    return np.arange(-most, most + 1)
