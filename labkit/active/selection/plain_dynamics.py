"""PlainDynamics: frames of a trajectory at equal intervals, the other baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import SelectionRule


@dataclass(frozen=True)
class PlainDynamics(SelectionRule):
    """Every k-th frame of a pool in the order of time, with k = P/n: what labelling an MD run blindly takes.

    >>> PlainDynamics().choose(Pool(n_atoms=[3] * 10), 4).indices.tolist()
    [0, 2, 5, 7]
    """

    def pick(self, pool: Pool, n: int, seed: int) -> tuple[np.ndarray, Sequence[str]]:
        order = np.arange(n) * len(pool) // n
        taken, every = set(order.tolist()), f"every {len(pool) / n:.3g}-th frame"
        return order, [every if k in taken else f"between those of {every}" for k in range(len(pool))]
