"""NeuralLearner: a network that is trained from new weights, or further from those of the round before."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from labkit.active.learners.learner import Refit
from labkit.base import NO_PROGRESS, Potential, Progress
from labkit.datasets import Dataset
from labkit.errors import LabkitError
from labkit.neural import NeuralConfig, NeuralPotential, Training, train, train_committee, untrained


@dataclass(frozen=True)
class NeuralLearner:
    """A neural potential, trained anew in each round unless `warm`.

    config    its settings; `seed` is added to that of the run
    training  with a number of steps: a budget of seconds depends on the machine, and a killed run would go on with
              other numbers
    members   from two on a committee, trained by `train_committee`, whose members share labels and neighbours
    bootstrap whether each member has a draw of the frames of its own
    warm      go on from the weights of the round before, which are kept in the run's folder; e0 stays that of round 0
    warm_training  how to go on; by default `training` at a sixth of its rate

    Raises LabkitError for a training without a number of steps, and for a committee that is to go on.
    """

    config: NeuralConfig = field(default_factory=NeuralConfig)
    training: Training = field(default_factory=lambda: Training(steps=500))
    members: int = 1
    bootstrap: bool = False
    warm: bool = False
    warm_training: Training | None = None

    def __post_init__(self) -> None:
        for training in (self.training, self.warm_training):
            if training is not None and training.steps is None and training.plan is None:
                raise LabkitError(
                    "NeuralLearner: the training has a budget of seconds, so that its result depends on the machine; "
                    "give Training(steps=...)"
                )

        if self.members < 1:
            raise LabkitError(f"NeuralLearner: members is {self.members}; expected at least 1")
        if self.members > 1 and self.warm:
            raise LabkitError("NeuralLearner: a committee is trained from new weights in each round; give warm=False")

    @property
    def mark(self) -> str:
        several = f", {self.members} members, bootstrap {self.bootstrap}" if self.members > 1 else ""
        return f"neural{several}, {self.config}, {self.training}, warm {self.warm}, {self.warm_training}"

    def begin(self, structures: Dataset, seed: int, folder: Path | None = None) -> Refit:
        return _NeuralRefit(self, seed, folder)


class _NeuralRefit:
    def __init__(self, learner: NeuralLearner, seed: int, folder: Path | None) -> None:
        self.learner, self.seed, self.folder = learner, seed, folder
        self.last: tuple[int, NeuralPotential] | None = None

    def __call__(
        self, labelled: Dataset, validation: Dataset | None, number: int, progress: Progress = NO_PROGRESS
    ) -> Potential:
        learner, before = self.learner, self._before(number) if self.learner.warm and number else None
        config = learner.config.replace(seed=learner.config.seed + self.seed)
        training = learner.training
        if learner.members > 1:
            return self._committee(labelled, validation, config, progress)
        potential = untrained(labelled, config) if before is None else before
        if before is not None:
            training = learner.warm_training or replace(training, rate=training.rate / 6)
        training = replace(training, seed=training.seed + self.seed)
        kept = None if self.folder is None else self.folder / f"training-{number:03d}.safetensors"
        trained = train(potential, labelled, validation, training, checkpoint=kept, progress=progress)
        self.last = (number, trained.potential)
        if learner.warm and self.folder is not None:
            trained.potential.save(self._path(number))
        if kept is not None:
            kept.unlink(missing_ok=True)
        return trained.potential

    def _committee(
        self, labelled: Dataset, validation: Dataset | None, config: NeuralConfig, progress: Progress
    ) -> Potential:
        learner, kept = self.learner, None if self.folder is None else self.folder / "training"
        training = replace(learner.training, seed=learner.training.seed + self.seed)
        found = train_committee(
            labelled, config, validation, training, members=learner.members, bootstrap=learner.bootstrap,
            checkpoint=kept, progress=progress,
        )  # fmt: skip
        if kept is not None:
            shutil.rmtree(kept, ignore_errors=True)
        return found.potential

    def _before(self, number: int) -> NeuralPotential:
        if self.last is not None and self.last[0] == number - 1:
            return self.last[1]
        if self.folder is None or not self._path(number - 1).is_file():
            raise LabkitError(
                f"the potential of round {number - 1}, from which round {number} goes on, was not kept; give learn() a "
                "folder, or use NeuralLearner(warm=False)"
            )
        return NeuralPotential.load(self._path(number - 1))

    def _path(self, number: int) -> Path:
        return self.folder / f"potential-{number:03d}.safetensors"
