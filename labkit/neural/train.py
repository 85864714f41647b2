"""train(): fit a neural potential within a budget of time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from labkit.base import NO_PROGRESS, Progress
from labkit.datasets import Dataset
from labkit.neural.potential import NeuralPotential
from labkit.neural.training import Trained, Training
from labkit.neural.training_run import TrainingRun


def train(
    potential: NeuralPotential,
    data: Dataset,
    validation: Dataset | None = None,
    training: Training | None = None,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress = NO_PROGRESS,
    save_every: float = 5.0,
    cool_down: Callable[[], bool] = lambda: False,
    watch: Callable[[Trained], None] = lambda found: None,
    **settings: Any,
) -> Trained:
    """Fit the weights of a potential to energies, forces and stresses, whichever the frames have.

    settings    those of Training, such as budget=20
    checkpoint  a file: written every `save_every` seconds, and resumed from if it belongs to the same training
    cool_down   asked at each step; when it returns True the rate falls to zero soon, and the training ends
    watch       called four times a second with what there is, and right after each measurement, when the potential
                has its averaged weights

    The given potential is changed, and is the one that is returned. When progress stops it, Stopped is raised with the
    potential as it is then. Raises LabkitError, naming frame and step, when the loss is not finite; the potential then
    has the best weights up to there.

    >>> from labkit.datasets import ice
    >>> from labkit.neural import NeuralConfig, untrained
    >>> ds = ice("train", n=50)
    >>> potential = untrained(ds, NeuralConfig(channels=8, cutoff=3.0))
    >>> train(potential, ds[:16], ds[40:], steps=4).history[-1]["step"]
    4
    """
    chosen = replace(training or Training(), **settings)
    return TrainingRun(
        potential, data, validation, chosen, checkpoint, save_every, progress, cool_down, watch
    ).to_the_end()
