"""GapLearner: a GAP with fixed sparse points, to which labelled frames are added."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labkit.active.learners.learner import Refit
from labkit.base import NO_PROGRESS, Potential, Progress
from labkit.datasets import Dataset
from labkit.gap import GapConfig
from labkit.gap.frame_rows import FrameRows
from labkit.gap.metrics import has_stress
from labkit.gap.sequential_fit import SequentialFit


@dataclass(frozen=True)
class GapLearner:
    """A GAP whose sparse points are environments of the pool, so that a round costs the rows of its new frames only.

    config       settings; e0 from isolated atoms or given is best, since the average of few frames is not
    sparse_from  at most so many frames of the pool, evenly spread, are searched for sparse points

    Rows are kept by structure, so that all runs with one learner on one pool share them. Validation frames are not
    used.

    >>> import labkit
    >>> from labkit.gap import GapConfig, Soap
    >>> frames = labkit.datasets.ice("train", n=50)[:6]
    >>> refit = GapLearner(GapConfig(Soap(n_max=3, l_max=2, n_sparse=10))).begin(frames, seed=0)
    >>> refit(frames[:3], None, 0).metadata["train"]["frames"], refit(frames[:5], None, 1).metadata["train"]["frames"]
    (3, 5)
    """

    config: GapConfig = field(default_factory=GapConfig)
    sparse_from: int = 500
    _rows: dict[str, FrameRows] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def mark(self) -> str:
        return f"GAP, sparse points from {self.sparse_from} frames, {self.config.text()}"

    def rows(self, structures: Dataset, progress: Progress = NO_PROGRESS) -> FrameRows:
        """The sparse points for a pool, chosen once, and the rows of its frames."""
        key = structures.hash
        if key not in self._rows:
            some = np.unique(np.linspace(0, len(structures) - 1, min(self.sparse_from, len(structures))).astype(int))
            stresses = self.config.sigma_virial is not None and any(has_stress(atoms) for atoms in structures.atoms)
            chosen = [structures.atoms[int(k)] for k in some]
            self._rows[key] = FrameRows(chosen, self.config, virials=stresses, progress=progress)
        return self._rows[key]

    def begin(self, structures: Dataset, seed: int, folder: Path | None = None) -> Refit:
        return _GapRefit(SequentialFit(self.rows(structures)))


class _GapRefit:
    def __init__(self, fit: SequentialFit) -> None:
        self.fit, self.count = fit, 0

    def __call__(
        self, labelled: Dataset, validation: Dataset | None, number: int, progress: Progress = NO_PROGRESS
    ) -> Potential:
        if len(labelled) > self.count:
            self.fit.add(labelled[self.count :])
            self.count = len(labelled)
        return self.fit.solve()
