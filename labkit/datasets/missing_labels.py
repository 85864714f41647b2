"""Notes on labels that are not finite."""

from __future__ import annotations

import numpy as np

from labkit.datasets.dataset import Dataset
from labkit.datasets.listed import listed


def not_finite(frames: Dataset) -> list[str]:
    """Sentences on energies and forces that are not finite in some frames, while others have them.

    >>> from dataclasses import replace
    >>> from labkit.datasets import ice
    >>> some = ice("train", n=50)
    >>> not_finite(replace(some, energy=np.where(np.arange(50) == 7, np.nan, some.energy)))
    ['energy of frame 7: not finite, taken as missing']
    """
    notes = []
    for name in ("energy", "forces"):
        label = getattr(frames, name)
        if not label.size or not any(label.strides):  # one repeated NaN: no frame has it
            continue
        lost = ~np.isfinite(label).reshape(len(label), -1).all(1)
        if name == "forces":
            lost = np.unique(np.searchsorted(frames.offsets, np.flatnonzero(lost), side="right") - 1)
        else:
            lost = np.flatnonzero(lost)
        if len(lost) and len(lost) < len(frames):
            notes.append(f"{name} of {listed(lost)}: not finite, taken as missing")
    return notes
