"""MaximumVolume: D-optimal frames by exchange (maxvol)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import qr

from labkit.active.selection.greedy_determinant import check_ridge, greedy_determinant, whitened
from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import SelectionRule
from labkit.errors import LabkitError


@dataclass(frozen=True)
class MaximumVolume(SelectionRule):
    """Frames whose vectors span the largest volume: exchanging one enlarges it by a factor of at most 1 + tolerance.

    In r = min(n, rank) coordinates every frame is a combination C of those taken, with all |C| ≤ 1 + tolerance; the
    largest |C| of a frame is its extrapolation grade γ. The coordinates are the principal ones of the vectors, or of
    what the known frames leave of them: L⁻¹x with LLᵀ = λI + Σ x xᵀ over the known frames. If n is larger than the
    rank, `GreedyDeterminant` adds the others.

    ridge  λ relative to the mean square of a component of the vectors

    Raises LabkitError if all vectors are 0. Source: Goreinov et al., in Matrix Methods (2010) 247; Podryabinkin and
    Shapeev, Comput. Mater. Sci. 140, 171 (2017).

    >>> pool = Pool(n_atoms=[1] * 3, features=[[3.0, 0.0], [2.9, 0.1], [0.0, 1.0]])
    >>> MaximumVolume().choose(pool, 2).indices.tolist()
    [0, 2]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    tolerance: float = 0.01
    ridge: float = 1e-6

    def __post_init__(self) -> None:
        check_ridge(self.ridge, type(self).__name__)
        if not 0 < self.tolerance <= 1:
            raise LabkitError(f"MaximumVolume: tolerance is {self.tolerance}; expected a number between 0 and 1")

    def pick(self, pool: Pool, n: int, seed: int) -> tuple[np.ndarray, Sequence[str]]:
        rows = whitened(pool.features, pool.known, self.ridge, type(self).__name__)
        reduced = principal(rows, n)
        order, coefficients = maximum_volume(reduced, self.tolerance)
        grade = np.abs(coefficients).max(axis=1)
        phrases = [f"a combination of the taken ones with coefficients up to {x:.3g}" for x in grade]
        for k in order:
            phrases[k] = "spans the largest volume with the other taken ones"
        more, gains, _ = greedy_determinant(rows, n - len(order), taken=order)
        for k, gain in zip(more, gains):
            phrases[k] = f"adds {gain:.3g} to ln det, when the volume has all {len(order)} dimensions of the vectors"
        return np.concatenate([order, more]), phrases


def principal(rows: np.ndarray, n: int) -> np.ndarray:
    """The first min(n, rank) principal coordinates (P, r) of rows (P, d), without subtracting their mean."""
    values, vectors = np.linalg.eigh(rows.T @ rows)
    rank = min(n, int((values > 1e-12 * values[-1]).sum()), len(rows))
    return rows @ vectors[:, ::-1][:, :rank]


def maximum_volume(rows: np.ndarray, tolerance: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """r of the rows (P, r) by maxvol, the most independent ones first, and all rows in terms of these, (P, r)."""
    chosen = qr(rows.T, mode="r", pivoting=True, check_finite=False)[1][: rows.shape[1]].astype(np.int64)
    while True:
        combination = np.linalg.solve(rows[chosen].T, rows.T).T
        exchanged = _exchange(combination, chosen, tolerance)
        if not exchanged:
            break
    order = qr(rows[chosen].T, mode="r", pivoting=True, check_finite=False)[1]
    return chosen[order], combination[:, order]


def _exchange(combination: np.ndarray, chosen: np.ndarray, tolerance: float) -> bool:
    """Exchange rows while that enlarges the volume, in place; each step enlarges it by the factor |C_ij|."""
    any_yet = False
    while True:
        i, j = divmod(int(np.abs(combination).argmax()), combination.shape[1])
        if abs(combination[i, j]) <= 1 + tolerance:
            return any_yet
        change = combination[i].copy()
        change[j] -= 1
        combination -= np.outer(combination[:, j] / combination[i, j], change)
        chosen[j], any_yet = i, True
