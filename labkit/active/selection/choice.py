"""Choice: the frames that a rule takes from a pool, and its reason for every frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labkit.errors import LabkitError


@dataclass(frozen=True, eq=False)
class Choice:
    """What a rule has chosen from a pool of P frames.

    indices  (n,) numbers of the frames taken, in order of choice
    reasons  P sentences, why each frame was taken or not
    note     why there are fewer frames than requested; "" if there are as many

    >>> Choice(np.array([1]), ("not taken: 0.1 eV", "taken: 0.3 eV")).reasons[1]
    'taken: 0.3 eV'
    """

    indices: np.ndarray
    reasons: tuple[str, ...]
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "indices", np.asarray(self.indices, dtype=np.int64).reshape(-1))
        if len(np.unique(self.indices)) != len(self.indices):
            raise LabkitError("Choice: a frame is chosen twice; each may be taken once")
        if len(self.indices) and not 0 <= self.indices.min() <= self.indices.max() < len(self.reasons):
            raise LabkitError(f"Choice: {len(self.reasons)} reasons, but frame {self.indices.max()} is chosen")

    def __len__(self) -> int:
        return len(self.indices)

    def of_larger_pool(self, rows: np.ndarray, others: Mapping[int, str], note: str = "") -> Choice:
        """The same choice in a pool of which this one was only the frames `rows`; `others` has the other reasons."""
        reasons = dict(zip(rows.tolist(), self.reasons)) | dict(others)
        return Choice(rows[self.indices], tuple(reasons[k] for k in range(len(reasons))), note or self.note)
