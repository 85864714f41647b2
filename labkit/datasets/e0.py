"""Energies of isolated atoms, from frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labkit.base import ELEMENTS
from labkit.datasets.dataset import Dataset
from labkit.errors import LabkitError


def compositions(frames: Dataset) -> tuple[tuple[str, ...], np.ndarray]:
    """The elements in frames, and the types of what is not an element; how many of each every frame has, (S, K)."""
    system = frames.state().system
    numbers, types = system.numbers.numpy(), system.types.numpy()
    kinds, which = np.unique(np.stack([numbers, np.where(numbers > 0, 0, types)]), axis=1, return_inverse=True)
    counts = np.zeros((len(frames), kinds.shape[1]))
    np.add.at(counts, (system.index.numpy(), which.reshape(-1)), 1)
    return tuple(ELEMENTS.names[z] if z else system.vocabulary.names[t] for z, t in kinds.T), counts


def average_e0(frames: Dataset) -> dict[str, float]:
    """e0 [eV] by species: least squares of the energies; where compositions cannot tell the species apart (as in pure
    water), the mean energy per atom for each; 0 if no frame has an energy.

    >>> from labkit.datasets import ice
    >>> sorted(average_e0(ice("train", n=50)))
    ['H', 'O']
    """
    names, counts = compositions(frames)
    known = np.isfinite(frames.energy)
    counts, energies = counts[known], frames.energy[known]
    if not known.any():
        return dict.fromkeys(names, 0.0)
    if np.linalg.matrix_rank(counts) < len(names):
        return dict.fromkeys(names, float((energies / counts.sum(1)).mean()))
    return dict(zip(names, np.linalg.lstsq(counts, energies, rcond=None)[0].tolist(), strict=True))


def isolated_e0(frames: Dataset, names: Sequence[str], advice: str) -> dict[str, float]:
    """e0 [eV] by species from frames of one atom. Raises LabkitError, with `advice`, if one of `names` has none."""
    found = {}
    for k in np.flatnonzero((frames.counts == 1) & np.isfinite(frames.energy)):
        (name,), _ = compositions(frames[[int(k)]])
        found[name] = float(frames.energy[k])
    missing = [name for name in names if name not in found]
    if missing:
        raise LabkitError(
            f"e0_method is 'isolated', but {frames.name} has no labelled frame of one {missing[0]} atom; {advice}"
        )
    return {name: found[name] for name in names}
