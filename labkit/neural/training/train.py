"""train(): fit a neural potential within a budget of time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from labkit.base import NO_PROGRESS, Potential, Progress
from labkit.datasets import Dataset
from labkit.neural.potential import NeuralPotential
from labkit.neural.priors import WithPrior
from labkit.neural.training.data import Sets
from labkit.neural.training.run import TrainingRun
from labkit.neural.training.settings import Trained, Training


def train(
    potential: NeuralPotential | WithPrior,
    data: Dataset,
    validation: Dataset | None = None,
    training: Training | None = None,
    *,
    replay: Dataset | None = None,
    prior: Potential | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress = NO_PROGRESS,
    save_every: float = 5.0,
    cool_down: Callable[[], bool] = lambda: False,
    watch: Callable[[Trained], None] = lambda found: None,
    **settings: Any,
) -> Trained:
    """Fit the weights of a potential to energies, forces and stresses, whichever the frames have.

    settings    those of Training, such as budget=20
    replay      old frames that a trained potential is not to forget: the fraction `replay_share` of each epoch
    prior       a fixed potential, such as Zbl: the network learns the difference, and the result is the sum of both
    checkpoint  a file, written every `save_every` seconds; if it belongs to the same training, that is resumed
    cool_down   called at each step; once it returns True, the rate falls to zero and the training ends soon
    watch       called four times a second with the training so far, and right after each measurement, when the
                potential has its averaged weights

    A trained potential continues from its weights, best at a smaller rate (`rate=5e-4`); its species, e0 and scale
    stay. The potential is changed in place and returned; with a prior it is the `learned` part of the result.

    When progress stops the training, raises Stopped with the potential as it is then. Raises LabkitError, naming frame
    and step, if the loss is not finite; the potential then has the best weights so far. Raises LabkitError, naming
    the frame, for species that the potential does not know, and for energies that do not fit its e0.

    >>> from labkit.datasets import ice
    >>> from labkit.neural import NeuralConfig, untrained
    >>> ds = ice("train", n=50)
    >>> potential = untrained(ds, NeuralConfig(channels=8, cutoff=3.0))
    >>> train(potential, ds[:16], ds[40:], steps=4).history[-1]["step"]
    4
    """
    chosen = replace(training or Training(), **settings)
    started = time.perf_counter()
    sets = Sets.of(potential, data, validation, replay, prior)
    return TrainingRun(sets, chosen, checkpoint, save_every, progress, cool_down, watch, started).to_the_end()
