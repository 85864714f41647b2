"""The hash of labelled frames, the same for Atoms and arrays, computed in pieces to save memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from labkit.datasets.structures import Structures

ROWS, FRAMES = 100_000, 10_000  # of one piece


def digest(atoms: Structures, labels: Iterable[np.ndarray]) -> str:
    """sha256 of counts, labels and structures as float64; -0.0 and 0.0 are the same number, and so are all NaN."""
    found = hashlib.sha256()
    for array in (atoms.counts, *labels):
        for start in range(0, len(array), ROWS):
            found.update(_canonical(array[start : start + ROWS]))
    for start in range(0, len(atoms), FRAMES):
        rows = np.arange(start, min(start + FRAMES, len(atoms)))
        found.update(_canonical(atoms.flat(rows)))
        for name in ("types", "bonded"):  # beads all have number 0
            if (column := atoms.column(name, rows)) is not None:
                found.update(f"{name} {' '.join(column)}\n".encode())
    return found.hexdigest()


def _canonical(array: np.ndarray) -> bytes:
    array = np.asarray(array, dtype="<f8") + 0.0
    return np.where(np.isnan(array), np.nan, array).tobytes()
