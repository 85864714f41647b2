"""Unlike: a rule whose batch holds no two frames that look alike, and none like a known one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labkit.active.selection.choice import Choice
from labkit.active.selection.distances import known_or_none, to_nearest
from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import Selection, check_count, shortage
from labkit.errors import LabkitError


@dataclass(frozen=True)
class Unlike:
    """Another rule, without frames whose vectors are within a distance of a known or taken one.

    distance  of two vectors |x - x'|, in their unit; 0 refuses only copies

    The rule chooses n frames; of those that are alike the first remains; where some are missing it chooses again from
    what is left, and knows those taken. Fewer than n are chosen only if every other frame is like one of them, or if
    the rule refuses all of those left.

    Raises LabkitError for a negative distance.

    >>> from labkit.active.selection.maximum_variance import MaximumVariance
    >>> pool = Pool(n_atoms=[3] * 3, spread=[0.3, 0.29, 0.1], features=[[1.0], [1.01], [2.0]])
    >>> Unlike(MaximumVariance(), distance=0.1).choose(pool, 2).indices.tolist()
    [0, 2]
    """

    rule: Selection
    distance: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.distance) and self.distance >= 0):
            raise LabkitError(f"Unlike: distance is {self.distance}; expected a number that is not negative")

    @property
    def needs(self) -> frozenset[str]:
        return self.rule.needs | {"features"}

    def choose(self, pool: Pool, n: int, *, seed: int = 0) -> Choice:
        """As the rule, without look-alikes."""
        check_count(n, type(self).__name__)
        pool.require(self.needs, f"Unlike({type(self.rule).__name__})")
        bad = pool.finite(frozenset({"features"}))
        reasons = dict.fromkeys(bad, "refused: features is not finite")
        self._refuse_known(pool, reasons)
        taken: list[int] = []
        while len(taken) < n and len(rows := np.array([k for k in range(len(pool)) if k not in reasons], np.int64)):
            try:
                inner = self.rule.choose(pool.with_known(np.array(taken)).take(rows), n - len(taken), seed=seed)
            except LabkitError as error:  # the rule has no reason to take any of those that are left
                if not taken:
                    raise
                inner = Choice(np.empty(0, int), (f"not taken: {error}",) * len(rows))
            if not len(inner):
                break
            for k in rows[inner.indices]:
                if k in reasons:
                    continue  # like one that this round has taken
                taken.append(int(k))
                reasons[int(k)] = inner.reasons[int(np.searchsorted(rows, k))]
                for other in rows[np.linalg.norm(pool.features[rows] - pool.features[k], axis=1) <= self.distance]:
                    reasons.setdefault(int(other), f"refused: looks like {pool.name(int(k))}, which is taken")
        if len(reasons) < len(pool):
            last = dict(zip(rows.tolist(), inner.reasons))
            reasons |= {k: last[k] for k in range(len(pool)) if k not in reasons}
        note = shortage(len(taken), n, len(pool))
        return Choice(np.array(taken, dtype=np.int64), tuple(reasons[k] for k in range(len(pool))), note)

    def _refuse_known(self, pool: Pool, reasons: dict[int, str]) -> None:
        known = known_or_none(pool.known)
        rows = np.array([k for k in range(len(pool)) if k not in reasons], np.int64)
        if known is None or not len(rows):
            return
        distance, nearest = to_nearest(pool.features[rows], known)
        for k, d, other in zip(rows.tolist(), distance, nearest):
            if d <= self.distance:
                reasons[k] = f"refused: looks like known frame {other}, {d:.3g} away"
