"""Faults planted on purpose: data for learning what faults do, and for testing the audit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labkit.datasets.dataset import Dataset
from labkit.datasets.source import of_function, remember
from labkit.errors import LabkitError


def with_noise(frames: Dataset, energy: float = 0.0, forces: float = 0.0, seed: int = 0) -> Dataset:
    """Add Gaussian noise of standard deviation `energy` [eV/atom] and `forces` [eV/Å] to the labels.

    >>> from labkit.datasets import ice
    >>> clean = ice("train", n=50)
    >>> noisy = with_noise(clean, energy=0.002)
    >>> bool(abs(noisy.energy - clean.energy).max() > 0), bool((noisy.forces == clean.forces).all())
    (True, True)
    """
    if energy < 0 or forces < 0:
        raise LabkitError(f"noise of {energy} eV/atom and {forces} eV/Å: expected numbers from 0")
    random = np.random.default_rng(seed)
    on_energy = energy * frames.counts * random.standard_normal(len(frames))
    on_forces = forces * random.standard_normal(frames.forces.shape)
    noisy = replace(
        frames, energy=frames.energy + on_energy, forces=frames.forces + on_forces, name=f"{frames.name}, noisy labels"
    )
    return remember(noisy, of_function(frames.source, "with_noise", energy=energy, forces=forces, seed=seed))


def with_shifted_forces(frames: Dataset, shift: int) -> Dataset:
    """Give frame k the forces of frame k + `shift`, periodically: what a lost line in a script does.

    Raises LabkitError for frames of different sizes.

    >>> from labkit.datasets import ice
    >>> clean = ice("train", n=50)
    >>> bool((with_shifted_forces(clean, 3)[0].forces == clean[3].forces).all())
    True
    """
    if len(set(frames.counts.tolist())) > 1:
        raise LabkitError("forces can only be shifted between frames of equal size; these have different ones")
    size = int(frames.counts[0]) if len(frames) else 0
    return replace(frames, forces=np.roll(frames.forces, -shift * size, axis=0), name=f"{frames.name}, forces shifted")


def mystery(frames: Dataset, number: int = 1) -> Dataset:
    """Frames with a fault, for an exercise: which one depends on `number` and on the frames.

    >>> from labkit.datasets import ice
    >>> strange = mystery(ice("train", n=50))
    >>> len(strange), bool((strange.energy == ice("train", n=50).energy).all())
    (50, True)
    """
    if len(frames) < 40:
        raise LabkitError(f"{frames.name}: {len(frames)} frames are too few to hide a fault in; give 40 or more")
    seed = int(frames.hash[:8], 16) + number
    shift = int(np.random.default_rng(seed).integers(2, 20))
    return replace(with_shifted_forces(frames, shift), name=f"{frames.name}, a colleague's copy")
