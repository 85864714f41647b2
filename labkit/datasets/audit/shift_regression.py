"""One ridge regression for the labels of many shifts of frames, cross-validated over frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FOLDS = 6


STRETCHES = 60  # into which frames are divided, and which are dealt out to the folds


RIDGES = (1e-5, 1e-2)  # of the mean diagonal of XᵀX; the best is taken for each shift separately


@dataclass(frozen=True, eq=False)
class Normal:
    """Normal equations of K frames against labels of S shifts: all that the regression needs, frame by frame.

    gram   (K, p, p)  XᵀX
    right  (K, p, S)  Xᵀy of the labels s frames later
    square (K, S)     yᵀy
    weight (K, S)     of these labels; 0 if there is no such frame, or it has other atoms
    """

    gram: np.ndarray
    right: np.ndarray
    square: np.ndarray
    weight: np.ndarray

    def errors(self) -> np.ndarray:
        """Squared errors (K, S) of each frame's labels, predicted from the other folds; weighted, NaN where none are.

        The folds are many short stretches of frames: no kind of frames that are neighbours is left out entirely.
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
        fold = np.random.default_rng(0).permutation(stretch[-1] + 1)[stretch] % FOLDS  # in step with no period
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
