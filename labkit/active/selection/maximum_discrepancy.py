"""MaximumDiscrepancy: the frames with the largest difference between the forces of two members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import Ranking, check_members


@dataclass(frozen=True)
class MaximumDiscrepancy(Ranking):
    """The n frames with the largest max over atoms i and members a, b of |F_i^a - F_i^b|, eV/Å.

    A single odd member is enough; the standard deviation over members would average it.

    Raises LabkitError for a committee of one.

    >>> forces = [np.zeros((2, 1, 3)), np.array([[[0.1, 0, 0]], [[-0.2, 0, 0]]])]
    >>> MaximumDiscrepancy().choose(Pool(n_atoms=[1, 1], member_forces=forces), 1).reasons[1]
    'taken: force difference 0.3 eV/Å'
    """

    needs: ClassVar[frozenset[str]] = frozenset({"member_forces"})

    def scores(self, pool: Pool) -> tuple[np.ndarray, str, str]:
        for forces in pool.member_forces:
            check_members(len(forces), type(self).__name__)
        of_atoms = discrepancy(np.concatenate([np.asarray(x, np.float64) for x in pool.member_forces], axis=1))
        first = np.concatenate([[0], np.cumsum(pool.n_atoms)[:-1]])
        return np.maximum.reduceat(of_atoms, first), "force difference", "eV/Å"


def discrepancy(forces: np.ndarray) -> np.ndarray:
    """The largest |F^a - F^b| over pairs of the members of (M, n, 3), for each atom (n,)."""
    largest = np.zeros(forces.shape[1])
    for a in range(1, len(forces)):
        for b in range(a):
            np.maximum(largest, np.linalg.norm(forces[a] - forces[b], axis=1), out=largest)
    return largest
