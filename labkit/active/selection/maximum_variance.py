"""MaximumVariance: the frames of the largest uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import Ranking


@dataclass(frozen=True)
class MaximumVariance(Ranking):
    """The n frames with the largest spread, of any kind of uncertainty.

    per_atom  rank an energy's spread by σ/N, eV/atom, so that large systems are not preferred for their size; other
              units are those of the worst atom already

    Equal frames have equal spreads, so that a batch may hold many that look alike: wrap it in `Unlike`.

    >>> MaximumVariance().choose(Pool(n_atoms=[3, 3, 3], spread=[0.1, 0.4, 0.2], unit="eV"), 2).indices.tolist()
    [1, 2]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"spread"})
    per_atom: bool = True

    def scores(self, pool: Pool) -> tuple[np.ndarray, str, str]:
        if self.per_atom and pool.unit == "eV":
            return pool.spread / pool.n_atoms, "spread", "eV/atom"
        return pool.spread, "spread", pool.unit
