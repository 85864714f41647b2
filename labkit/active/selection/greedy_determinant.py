"""GreedyDeterminant: D-optimal frames, one after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import solve_triangular

from labkit.active.selection.distances import known_or_none
from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import SelectionRule
from labkit.errors import LabkitError


@dataclass(frozen=True)
class GreedyDeterminant(SelectionRule):
    """Each next frame is the one that adds most to ln det A, with A = λI + Σ x xᵀ over known and taken frames.

    For a model linear in the vectors x, with known noise, 1/det A is the squared volume of the region of confidence
    of its weights; x adds ln(1 + xᵀA⁻¹x), its predictive variance. ln det is submodular, so that this reaches at least
    1 - 1/e of what the best batch adds.

    ridge  λ relative to the mean square of a component of the vectors

    Raises LabkitError if all vectors are 0. Source: Fedorov, Theory of Optimal Experiments (1972); Nemhauser, Wolsey,
    Fisher, Math. Program. 14, 265 (1978).

    >>> pool = Pool(n_atoms=[1] * 3, features=[[3.0, 0.0], [2.9, 0.1], [0.0, 1.0]])
    >>> GreedyDeterminant().choose(pool, 2).indices.tolist()
    [0, 2]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    ridge: float = 1e-6

    def __post_init__(self) -> None:
        check_ridge(self.ridge, type(self).__name__)

    def pick(self, pool: Pool, n: int, seed: int) -> tuple[np.ndarray, Sequence[str]]:
        rows = whitened(pool.features, pool.known, self.ridge, type(self).__name__)
        order, gains, left = greedy_determinant(rows, n)
        phrases = [f"would add {x:.3g} to ln det, the last one taken added {gains[-1]:.3g}" for x in np.log1p(left)]
        for k, gain in zip(order, gains):
            phrases[k] = f"adds {gain:.3g} to ln det"
        return order, phrases


def whitened(features: np.ndarray, known: np.ndarray | None, ridge: float, who: str) -> np.ndarray:
    """Vectors L⁻¹x with LLᵀ = λI + Σ x xᵀ over the known frames, so that A = I before anything is taken."""
    mean_square = float(np.mean(features**2))
    if not mean_square > 0:
        raise LabkitError(f"{who}: the vectors of all {len(features)} frames are 0; check the potential's descriptors")
    known = known_or_none(known)
    if known is None:
        return features / math.sqrt(ridge * mean_square)
    gram = known.T @ known + ridge * mean_square * np.eye(features.shape[1])
    return solve_triangular(np.linalg.cholesky(gram), features.T, lower=True, check_finite=False).T


def greedy_determinant(
    rows: np.ndarray, n: int, taken: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n rows in order, the ln(1 + xᵀA⁻¹x) of each, and xᵀA⁻¹x of all rows at the end; A = I at first.

    taken  rows taken before, which are not counted among the n

    The partial Cholesky factor of the matrix of dot products gives all variances after each choice.
    """
    before = np.empty(0, np.int64) if taken is None else np.asarray(taken, np.int64)
    total = len(before) + n
    factor, variance = np.zeros((len(rows), total)), np.einsum("pd,pd->p", rows, rows)
    order, gains, free = np.empty(total, np.int64), np.empty(total), np.ones(len(rows), bool)
    for k in range(total):
        j = int(before[k]) if k < len(before) else int(np.where(free, variance, -np.inf).argmax())
        order[k], gains[k], free[j] = j, math.log1p(variance[j]), False
        column = (rows @ rows[j] - factor[:, :k] @ factor[j, :k]) / math.sqrt(1 + variance[j])
        factor[:, k] = column
        variance = np.maximum(variance - column**2, 0.0)
    return order[len(before) :], gains[len(before) :], variance


def check_ridge(ridge: float, who: str) -> None:
    """Raise LabkitError unless the ridge is positive."""
    if not (math.isfinite(ridge) and ridge > 0):
        raise LabkitError(f"{who}: ridge is {ridge}; expected a positive number, such as 1e-6")
