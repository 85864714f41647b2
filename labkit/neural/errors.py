"""Errors of a potential on frames whose neighbours are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labkit.base.frames import batches
from labkit.neural.frames import TrainingFrames
from labkit.neural.loss import Weights, predict
from labkit.neural.potential import NeuralPotential

ATOMS = 1000  # of a batch


@dataclass(frozen=True)
class Errors:
    """Root mean squares: energy eV/atom, forces eV/Å, stress eV/Å^3; NaN where no frame has that label."""

    energy: float
    forces: float
    stress: float
    virial: float

    def loss(self, weights: Weights, scale: float) -> float:
        """The loss of these errors."""
        parts = ((weights.energy, self.energy), (weights.forces, self.forces), (weights.stress, self.virial))
        return sum(w * (x / scale) ** 2 for w, x in parts if np.isfinite(x))


def errors(potential: NeuralPotential, frames: TrainingFrames, most: int | None = None) -> Errors:
    """Errors on all frames, or on `most` of them, evenly spaced."""
    count = len(frames) if most is None else min(most, len(frames))
    rows = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))
    scale = float(potential.scale)
    sums: dict[str, list[Tensor]] = {"energy": [], "forces": [], "stress": [], "virial": []}
    for part in batches(frames.data.counts[rows].tolist(), ATOMS):
        batch = frames.batch(rows[part])
        found = predict(potential.network, batch)
        size = batch.counts[:, None, None]
        sums["energy"].append((found.energy.detach() - batch.energy) / batch.counts)
        sums["forces"].append((found.forces - batch.forces).flatten())
        virial = found.virial - batch.virial
        sums["virial"].append((virial / size).flatten())
        sums["stress"].append((virial / torch.from_numpy(frames.volumes[rows[part]])[:, None, None]).flatten())
    return Errors(
        **{name: scale * _rms(torch.cat([x.detach().double() for x in parts])) for name, parts in sums.items()}
    )


def _rms(values: Tensor) -> float:
    known = values[torch.isfinite(values)]
    return float(known.square().mean().sqrt()) if len(known) else float("nan")
