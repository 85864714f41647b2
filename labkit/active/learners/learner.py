"""Learner: a model that a run of active learning fits again after every round."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from labkit.base import NO_PROGRESS, Potential, Progress
from labkit.datasets import Dataset


class Refit(Protocol):
    """One run's fits."""

    def __call__(
        self, labelled: Dataset, validation: Dataset | None, number: int, progress: Progress = NO_PROGRESS
    ) -> Potential:
        """The potential of round `number`, fitted to all frames labelled so far, in the order of their labels.

        It depends on these frames and their order alone, not on which earlier rounds this object has seen, so that a
        run that was killed continues with the same numbers. `validation` frames are not trained on.
        """
        ...


@runtime_checkable
class Learner(Protocol):
    """What learn() needs of a model: settings, and a fit for each run.

    mark  all that a fit depends on besides the frames and the seed, as text
    """

    @property
    def mark(self) -> str: ...

    def begin(self, structures: Dataset, seed: int, folder: Path | None = None) -> Refit:
        """Fits for a pool of these structures, whose labels are not used.

        folder  for what a long fit keeps, so that it continues after a stop; None: nothing is kept
        """
        ...
