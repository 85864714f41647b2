"""Mixed: uncertainty and diversity at once, Q = αU + βD."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from labkit.active.selection.distances import known_or_none, largest, to_nearest
from labkit.active.selection.maximum_variance import MaximumVariance
from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import SelectionRule
from labkit.errors import LabkitError


@dataclass(frozen=True)
class Mixed(SelectionRule):
    """Each next frame is the one with the largest Q = αU + βD.

    U  its spread over the largest spread in the pool, 0 to 1
    D  the distance of its vector to the nearest known or taken frame, over the largest such distance before anything
       was taken, 0 to 1; if nothing is known, the distance to the mean until the first is taken
    α, β  not negative and not both 0. β = 0 is `MaximumVariance`, α = 0 is `FarthestPoint`.

    Raises LabkitError for other weights, and if all spreads are 0 and α is not.

    >>> pool = Pool(n_atoms=[1] * 3, spread=[1.0, 0.9, 0.3], features=[[0.0], [0.1], [4.0]])
    >>> [Mixed(1.0, beta).choose(pool, 2).indices.tolist() for beta in (0.0, 1.0)]
    [[0, 1], [0, 2]]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"spread", "features"})
    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        weights = (self.alpha, self.beta)
        if not all(math.isfinite(x) and x >= 0 for x in weights) or not any(weights):
            raise LabkitError(f"Mixed: α = {self.alpha}, β = {self.beta}; expected two numbers ≥ 0, not both 0")

    def pick(self, pool: Pool, n: int, seed: int) -> tuple[np.ndarray, Sequence[str]]:
        spread = MaximumVariance().scores(pool)[0]
        if self.alpha and not (spread > 0).any():
            raise LabkitError(
                f"Mixed: the spread of all {len(pool)} frames ({pool.listed(range(len(pool)))}) is 0; check the "
                "uncertainty, or take FarthestPoint()"
            )
        known, centred = known_or_none(pool.known), pool.features - pool.features.mean(axis=0)
        squares = np.einsum("pd,pd->p", centred, centred)
        first = np.sqrt(squares) if known is None else to_nearest(pool.features, known)[0]
        u, unit = spread / max(spread.max(), np.finfo(float).tiny), max(first.max(), np.finfo(float).tiny)
        distance, order, at_choice = first, [], {}
        for k in range(n):
            quality = self.alpha * u + self.beta * distance / unit
            quality[order] = -np.inf
            j = largest(quality, pool.features) if k == 0 else int(quality.argmax())
            order.append(j)
            at_choice[j] = distance[j]
            moved = np.sqrt(np.maximum(squares + squares[j] - 2 * (centred @ centred[j]), 0.0))
            distance = moved if k == 0 and known is None else np.minimum(distance, moved)
        distance[order] = [at_choice[j] for j in order]
        least = self.alpha * u[order[-1]] + self.beta * distance[order[-1]] / unit
        phrases = [
            f"Q = {self.alpha:g}·{a:.3g} + {self.beta:g}·{d:.3g} = {self.alpha * a + self.beta * d:.3g}"
            for a, d in zip(u, distance / unit)
        ]
        for k in set(range(len(pool))) - set(order):
            phrases[k] += f", the last one taken had {least:.3g}"
        return np.array(order, dtype=np.int64), phrases
