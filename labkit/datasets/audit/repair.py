"""Shifted labels moved back to their frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labkit.datasets.dataset import Dataset


def repaired(dataset: Dataset, shifts: dict[str, int], rolled: set[str] | frozenset[str] = frozenset()) -> Dataset:
    """The dataset in which frame k has the label of frame k + shift; frames without one are left out.

    shifts  in frames, of 'forces' and 'energy'
    rolled  the labels that wrapped around: those of the last frames are at the beginning (or the reverse)

    >>> from labkit.datasets import ice
    >>> ds = ice("train", n=50)
    >>> wrong = replace(ds, energy=np.roll(ds.energy, 3))
    >>> bool((repaired(wrong, {"energy": 3}, {"energy"}).energy == ds.energy).all())
    True
    """
    n = len(dataset)
    kept, sources = np.ones(n, bool), {}
    for label, shift in shifts.items():
        source = np.arange(n) + shift
        there = (source >= 0) & (source < n) | (label in rolled)
        source = source % n
        kept &= there & (dataset.counts[source] == dataset.counts)
        sources[label] = source
    frames = np.flatnonzero(kept)
    changed = {label: getattr(dataset[source[frames]], label) for label, source in sources.items()}
    return replace(dataset[frames], **changed)
