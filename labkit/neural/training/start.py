"""untrained(): a potential for given frames, with their species, e0 and scale, and an untrained network."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.base import Potential
from labkit.datasets import Dataset
from labkit.datasets.e0 import average_e0, compositions, isolated_e0
from labkit.errors import LabkitError
from labkit.neural.config import NeuralConfig
from labkit.neural.potential import NeuralPotential
from labkit.neural.priors import without_prior
from labkit.neural.priors.with_prior import described


def untrained(
    frames: Dataset, config: NeuralConfig | None = None, *, prior: Potential | None = None, **settings: Any
) -> NeuralPotential:
    """A potential for the species of these frames; its scale is the rms force times 1 Å, or the spread of energies.

    settings   those of NeuralConfig, such as channels=32
    prior      a potential that is subtracted from the labels; pass it to `train`, too

    Raises LabkitError if there are no frames or labels, or if a species has no e0.

    >>> from labkit.datasets import ice
    >>> list(untrained(ice("train", n=50), channels=8).vocabulary)
    ['H', 'O']
    """
    config = (config or NeuralConfig()).replace(**settings)
    if not len(frames):
        raise LabkitError(f"{frames.name or 'training data'}: has no frames; give at least one")
    frames = without_prior(frames, prior)
    names, counts = compositions(frames)
    if config.e0 is not None:
        missing = [name for name in names if name not in config.e0]
        if missing:
            raise LabkitError(
                f"e0 has no value for {missing[0]}, which {frames.name} contains; add it, or leave e0 out"
            )
        e0 = {name: float(config.e0[name]) for name in names}
    elif config.e0_method == "isolated":
        e0 = isolated_e0(frames, names, "add one, give e0={...}, or use e0_method='average'")
    else:
        e0 = average_e0(frames)
    forces = frames.forces[np.isfinite(frames.forces)]
    left = (frames.energy - counts @ np.array([e0[name] for name in names])) / frames.counts
    left = left[np.isfinite(left)]
    scale = float(np.sqrt((forces**2).mean())) if len(forces) else float(left.std()) if len(left) > 1 else 0.0
    if not len(forces) and not len(left):
        raise LabkitError(f"{frames.name or 'training data'}: no frame has an energy or forces; label them first")
    metadata = {} if prior is None else {"prior": described(prior)}
    return NeuralPotential(config, names, e0, scale if scale > 0 else 1.0, metadata)
