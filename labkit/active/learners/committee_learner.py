"""CommitteeLearner: several fits of one kind, which differ by seed, by the frames that each has seen, or by both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labkit.active.learners.learner import Learner, Refit
from labkit.base import NO_PROGRESS, Committee, Potential, Progress
from labkit.datasets import Dataset
from labkit.errors import LabkitError


@dataclass(frozen=True)
class CommitteeLearner:
    """A Committee of `members` fits.

    bootstrap  each member sees each frame k times, with k from a Poisson distribution of mean 1: the bootstrap of
               frames that arrive one after another (Oza and Russell, AISTATS 2001). False: all frames once; members
               then differ by their seeds alone, and those of a GAP not at all

    Raises LabkitError for fewer than two members.
    """

    learner: Learner
    members: int = 4
    bootstrap: bool = True

    def __post_init__(self) -> None:
        if self.members < 2:
            raise LabkitError(f"CommitteeLearner: members is {self.members}; a committee has at least 2")

    @property
    def mark(self) -> str:
        return f"{self.members} members, bootstrap {self.bootstrap}, of {self.learner.mark}"

    def begin(self, structures: Dataset, seed: int, folder: Path | None = None) -> Refit:
        fits = []
        for m in range(self.members):
            own = None if folder is None else folder / f"member-{m}"
            if own is not None:
                own.mkdir(exist_ok=True)
            fits.append(self.learner.begin(structures, seed * self.members + m, own))
        return _CommitteeRefit(fits, self.bootstrap, seed)


class _CommitteeRefit:
    def __init__(self, fits: list[Refit], bootstrap: bool, seed: int) -> None:
        self.fits, self.bootstrap, self.seed = fits, bootstrap, seed

    def __call__(
        self, labelled: Dataset, validation: Dataset | None, number: int, progress: Progress = NO_PROGRESS
    ) -> Potential:
        members = []
        for m, fit in enumerate(self.fits):
            part = progress.part(m, len(self.fits))
            members.append(fit(labelled[self._rows(len(labelled), m)], validation, number, part))
        return Committee(members)

    def _rows(self, count: int, member: int) -> list[int]:
        """The frames of a member; those of more frames begin with them. At least one frame."""
        if not self.bootstrap:
            return list(range(count))
        times = np.random.default_rng([self.seed, member]).poisson(1.0, count)
        times[0] = max(times[0], 1)  # a member without frames cannot be fitted
        return [k for k in range(count) for _ in range(times[k])]
