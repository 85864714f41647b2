"""CommitteeDisagreement: the frames whose energies differ most between the members of a committee."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import Ranking, check_members

#: differences smaller than this part of the largest value are rounding
ROUNDING = 1e-12


@dataclass(frozen=True)
class CommitteeDisagreement(Ranking):
    """The n frames with the largest standard deviation of the energy per atom over the members ("query by committee").

    σ = [Σ_m (e_m - ē)²/(M - 1)]^½ with e_m the energy per atom that member m of M predicts, eV/atom.

    Raises LabkitError for a committee of one. Source: Seung, Opper, Sompolinsky, COLT (1992) 287.

    >>> pool = Pool(n_atoms=[3, 3], members=[[-1.0, -2.0], [-1.1, -1.0]])
    >>> CommitteeDisagreement().choose(pool, 1).indices.tolist()
    [1]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"members"})

    def scores(self, pool: Pool) -> tuple[np.ndarray, str, str]:
        check_members(len(pool.members), type(self).__name__)
        return deviation(pool.members), "disagreement", "eV/atom"


def deviation(members: np.ndarray) -> np.ndarray:
    """Standard deviations over the members of (M, P), with M - 1; those that are rounding are 0."""
    found = members.std(axis=0, ddof=1)
    return np.where(found > ROUNDING * np.abs(members).max(axis=0), found, 0.0)
