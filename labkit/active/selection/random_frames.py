"""RandomFrames: the baseline that every other rule has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import SelectionRule


@dataclass(frozen=True)
class RandomFrames(SelectionRule):
    """n frames drawn at random, without replacement, from `seed`.

    Only frames like these may calibrate an uncertainty: those that another rule has chosen are not typical.

    >>> len(RandomFrames().choose(Pool(n_atoms=[3] * 20), 5, seed=1))
    5
    """

    def pick(self, pool: Pool, n: int, seed: int) -> tuple[np.ndarray, Sequence[str]]:
        order = np.random.default_rng(seed).permutation(len(pool))
        taken = set(order[:n].tolist())
        return order[:n], ["drawn at random" if k in taken else "not drawn" for k in range(len(pool))]
