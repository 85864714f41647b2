"""Distances between the vectors of frames."""

from __future__ import annotations

import numpy as np

CHUNK = 1 << 22  # numbers at once
EQUAL = 1e-9  # of the larger one, by which equal distances may differ


def to_nearest(rows: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances (P,) of rows (P, d) to the nearest of others (K, d), and which (P,) that is; K at least 1.

    Candidates are found from products, which cancel where two vectors nearly agree; their distances are exact.
    """
    middle = others.mean(axis=0)
    a, b = rows - middle, others - middle
    half = 0.5 * np.einsum("kd,kd->k", b, b)
    nearest = np.empty(len(a), dtype=np.int64)
    for part in np.array_split(np.arange(len(a)), max(1, len(a) * len(b) // CHUNK)):
        nearest[part] = (half - a[part] @ b.T).argmin(axis=1)
    return np.linalg.norm(rows - others[nearest], axis=1), nearest


def farthest_from_mean(rows: np.ndarray) -> int:
    """The row where a choice of different ones begins if nothing is known; does not depend on their order."""
    return largest(np.linalg.norm(rows - rows.mean(axis=0), axis=1), rows)


def largest(values: np.ndarray, rows: np.ndarray) -> int:
    """The row with the largest value (P,); of equal ones, as two about their mean, the first by its components."""
    near = np.flatnonzero(values >= values.max() - EQUAL * abs(values.max()))
    return int(near[np.lexsort(rows[near].T[::-1])[0]])


def known_or_none(known: np.ndarray | None) -> np.ndarray | None:
    """The known vectors, or None if there are none."""
    return known if known is not None and len(known) else None
