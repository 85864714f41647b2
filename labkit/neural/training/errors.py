"""Errors of a potential on frames whose neighbours are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labkit.base.frames import batches
from labkit.neural.potential import NeuralPotential
from labkit.neural.training.frames import Batch, TrainingFrames
from labkit.neural.training.loss import BatchPrediction, Weights, predict
from labkit.neural.training.settings import Training

ATOMS = 240  # of a batch


@dataclass(frozen=True)
class Errors:
    """Root mean squares: energy eV/atom, forces eV/Å, stress eV/Å^3; NaN where no frame has that label."""

    energy: float
    forces: float
    stress: float
    virial: float

    def loss(self, weights: Weights, scale: float) -> float:
        """The loss that these errors give."""
        parts = ((weights.energy, self.energy), (weights.forces, self.forces), (weights.stress, self.virial))
        return sum(w * (x / scale) ** 2 for w, x in parts if np.isfinite(x))


def predictions(
    potential: NeuralPotential, frames: TrainingFrames, most: int | None = None, first: int = 0, last: int | None = None
) -> list[tuple[Batch, BatchPrediction]]:
    """Batches of the frames from `first` up to, not including, `last` (default: all), or of at most `most` of them,
    evenly spaced, with the potential's predictions."""
    rows = _evenly(first, len(frames) if last is None else last, most)
    parts = [frames.batch(rows[part]) for part in batches(frames.data.counts[rows].tolist(), ATOMS)]
    return [(batch, predict(potential.network, batch)) for batch in parts]


def errors(potential: NeuralPotential, frames: TrainingFrames, most: int | None = None) -> Errors:
    """Errors on all frames, or on at most `most` of them, evenly spaced."""
    return errors_of(predictions(potential, frames, most), frames, float(potential.scale))


def errors_of(found: list[tuple[Batch, BatchPrediction]], frames: TrainingFrames, scale: float) -> Errors:
    """Errors of predictions, which are in units of `scale`."""
    sums: dict[str, list[Tensor]] = {"energy": [], "forces": [], "stress": [], "virial": []}
    for batch, of_batch in found:
        size = batch.counts[:, None, None]
        sums["energy"].append((of_batch.energy.detach() - batch.energy) / batch.counts)
        sums["forces"].append((of_batch.forces - batch.forces).flatten())
        virial = of_batch.virial - batch.virial
        sums["virial"].append((virial / size).flatten())
        sums["stress"].append((virial / torch.from_numpy(frames.volumes[batch.frames])[:, None, None]).flatten())
    return Errors(
        **{name: scale * _rms(torch.cat([x.detach().double() for x in parts])) for name, parts in sums.items()}
    )


def mean_loss(
    potential: NeuralPotential, frames: TrainingFrames, training: Training, most: int | None, last: int | None
) -> float:
    """The negative log-likelihood of the potential's head on the first `last` frames, or on at most `most` of them."""
    network, total = potential.network, 0.0
    rows = _evenly(0, len(frames) if last is None else last, most)
    for part in batches(frames.data.counts[rows].tolist(), ATOMS):
        loss = network.head.loss(training.weights, network, frames.batch(rows[part]), (training.seed, 0), scoring=True)
        total += float(loss.detach()) * len(part)
    return total / len(rows)


def _evenly(first: int, last: int, most: int | None) -> np.ndarray:
    count = last - first if most is None else min(most, last - first)
    return np.unique(np.linspace(first, last - 1, count).round().astype(int))


def _rms(values: Tensor) -> float:
    known = values[torch.isfinite(values)]
    return float(known.square().mean().sqrt()) if len(known) else float("nan")
