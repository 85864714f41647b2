"""Which shift of frames the labels fit: one ridge regression for many right-hand sides, cross-validated over frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

FURTHEST = 100  # frames, the largest shift that is tried
FOLDS = 6
STRETCHES = 60  # into which frames are divided, and which are dealt out to the folds
RIDGES = (1e-5, 1e-2)  # of the mean diagonal of XᵀX; the best is taken for each shift by itself
FEWEST = 6  # frames that a shift must leave to be judged
CERTAIN = 1e-2  # probability, times the number of shifts tried, below which a shift is called found


@dataclass(frozen=True, eq=False)
class Normal:
    """Normal equations of K frames against labels of S shifts: what regression needs to know, frame by frame.

    gram   (K, p, p)  XᵀX
    right  (K, p, S)  Xᵀy of the labels that stand s frames later
    square (K, S)     yᵀy
    weight (K, S)     of these labels; 0 where no such frame is, or it has other atoms
    """

    gram: np.ndarray
    right: np.ndarray
    square: np.ndarray
    weight: np.ndarray

    def errors(self) -> np.ndarray:
        """Squared errors (K, S) of each frame's labels, predicted from the other folds; weighted, NaN where none are.

        The folds are many short stretches of frames: kinds of frames that stand together are not left out as a whole.
        """
        count, size, shifts = self.right.shape
        folds = self._folds()
        out = np.full((count, shifts), np.nan)
        for some in np.array_split(np.arange(shifts), max(1, shifts * size**2 // 400_000)):
            sums = [self._sums(fold, some) for fold in folds]
            gram, right = (sum(part) for part in zip(*sums))
            tried = np.stack([self._left_out(folds, sums, gram, right, some, ridge) for ridge in RIDGES])
            best = np.nansum(tried, axis=1).argmin(0)
            out[:, some] = np.take_along_axis(tried, best[None, None], 0)[0]
        return np.where(self.weight > 0, out, np.nan)

    def left_out(self, shift: int) -> np.ndarray:
        """Errors (K,) at the shift in this column, the least over the ridges for each frame.

        Only what no model can predict is wrong.
        """
        folds, column = self._folds(), np.array([shift])
        sums = [self._sums(fold, column) for fold in folds]
        gram, right = (sum(part) for part in zip(*sums))
        tried = [self._left_out(folds, sums, gram, right, column, ridge)[:, 0] for ridge in RIDGES]
        return np.where(self.weight[:, shift] > 0, np.min(tried, axis=0), np.nan)

    def _folds(self) -> list[np.ndarray]:
        stretch = np.arange(len(self.gram)) // max(1, len(self.gram) // STRETCHES)
        fold = np.random.default_rng(0).permutation(stretch[-1] + 1)[stretch] % FOLDS  # in step with no period of data
        return [np.flatnonzero(fold == f) for f in np.unique(fold)]

    def weights(self, shift: int) -> tuple[np.ndarray, np.ndarray]:
        """Fitted to all frames at the shift in this column (p,), and the root L (p, p) of the inverse LLᵀ of XᵀX."""
        gram, right = self._sums(np.arange(len(self.gram)), np.array([shift]))
        size = len(gram[0])
        ridged = gram[0] + RIDGES[0] * np.trace(gram[0]) / size * np.eye(size)
        root = np.linalg.inv(np.linalg.cholesky(ridged)).T
        return root @ (root.T @ right[0]), root

    def _sums(self, frames: np.ndarray, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weight, size = self.weight[np.ix_(frames, shifts)], self.gram.shape[1]
        gram = (weight.T @ self.gram[frames].reshape(len(frames), -1)).reshape(len(shifts), size, size)
        return gram, np.einsum("kps,ks->sp", self.right[frames][:, :, shifts], weight)

    def _left_out(
        self,
        folds: list[np.ndarray],
        sums: list[tuple[np.ndarray, np.ndarray]],
        gram: np.ndarray,
        right: np.ndarray,
        shifts: np.ndarray,
        ridge: float,
    ) -> np.ndarray:
        errors = np.zeros((len(self.gram), len(shifts)))
        for fold, (own_gram, own_right) in zip(folds, sums):
            solved = _solve(gram - own_gram, right - own_right, ridge)
            errors[fold] = self.misfit(solved, fold, shifts)
        return errors

    def misfit(self, solved: np.ndarray, frames: np.ndarray, shifts: np.ndarray) -> np.ndarray:
        """Weighted squared errors (frames, shifts) of weights (shifts, p)."""
        cross = np.einsum("kps,sp->ks", self.right[frames][:, :, shifts], solved)
        own = np.einsum("sp,kpq,sq->ks", solved, self.gram[frames], solved, optimize=True)
        return self.weight[np.ix_(frames, shifts)] * (self.square[np.ix_(frames, shifts)] - 2 * cross + own)


def _solve(gram: np.ndarray, right: np.ndarray, ridge: float) -> np.ndarray:
    size = gram.shape[1]
    scale = np.trace(gram, axis1=1, axis2=2)[:, None, None] / size + 1e-12
    return np.linalg.solve(gram + ridge * scale * np.eye(size), right[..., None])[..., 0]


@dataclass(frozen=True, eq=False)
class Alignment:
    """How well the labels of frame k+s fit the geometry of frame k, for many s.

    label     'forces' or 'energy'
    shifts    (S,)
    error     (S,) cross-validated squared error over the labels' own squares: 0 explained, about 1 not at all
    frames    (S,) frames compared
    found     the shift that the labels have, or None where that cannot be told
    verdict   'aligned', 'shifted', 'unrelated' or 'unclear'
    z, p      of the best shift against none (or, if none is best, against the next best); p counts all shifts tried
    rolled    whether the labels of the other end stand in the frames that a shift leaves over
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
    def told(self) -> bool:
        """Whether it is known where the labels belong."""
        return self.verdict in ("aligned", "shifted")

    @property
    def taken(self) -> int:
        """The shift that all else is worked out with: the one found, or none."""
        return self.found or 0

    def at(self, shift: int) -> float:
        """The error at a shift."""
        return float(self.error[self.shifts == shift][0])


def judge(label: str, shifts: np.ndarray, normal: Normal, total_frames: int) -> Alignment | None:
    """Compare all shifts of a set of so many frames.

    None where no shift, or only too few frames, can be compared.
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
    if share[best] > (0.9 if explained < CERTAIN else 0.5):
        verdict, found = "unrelated", None
    elif best == zero:
        verdict, found = "aligned", 0
    else:
        verdict, found = ("shifted", int(shifts[best])) if p < CERTAIN else ("unclear", None)
    return Alignment(label, shifts, share, counts, found, verdict, int(shifts[best]), int(shifts[rival]), z, p)


def lowest(shifts: np.ndarray, error: np.ndarray, counts: np.ndarray, frames: int) -> int:
    """Where the error is least; of a shift and its counterpart (labels that went round have both), the fuller one."""
    best = int(np.nanargmin(error))
    other = np.flatnonzero(np.abs(shifts - shifts[best]) == frames)
    for k in other[(counts[other] > counts[best]) & (error[other] < 1.5 * error[best] + 0.05)]:
        best = int(k)
    return best


def _log(errors: np.ndarray) -> np.ndarray:
    """Ratios and not differences of errors are compared: a few bad frames cannot hide what the others say."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.where(errors > 0, errors, np.nan))


def paired(gain: np.ndarray) -> tuple[float, float]:
    """z and one-sided p of a mean above 0, of as many numbers as there are frames that know nothing of each other."""
    known = gain[np.isfinite(gain)]
    if len(known) < 3 or known.std() == 0:
        return 0.0, 1.0
    independent = max(len(known) / correlation_length(gain), 2.0)
    z = known.mean() / known.std() * np.sqrt(max(independent - 1, 1))
    return float(z), float(stats.t.sf(z, max(independent - 1, 1)))


def correlation_length(values: np.ndarray) -> float:
    """1 + 2 Σ ρ_t, how many neighbouring frames count as one: they resemble each other along a trajectory.

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
