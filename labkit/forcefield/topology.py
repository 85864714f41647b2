"""Angles, dihedrals, 1-4 pairs and near pairs that follow from the bonds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.sparse import csr_array, triu


def neighbours_of(bonds: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """The bonded neighbours of each bonded atom, ascending.

    >>> neighbours_of([(0, 1), (2, 0)])
    {0: [1, 2], 1: [0], 2: [0]}
    """
    found: dict[int, list[int]] = {}
    for i, j in zip(*(part.tolist() for part in _directed(bonds)), strict=True):
        found.setdefault(i, []).append(j)
    return found


def angles_of(bonds: Any) -> np.ndarray:
    """All i-j-k with bonds i-j and j-k, i < k, by j; (m, 3).

    >>> angles_of([(0, 1), (0, 2)]).tolist()
    [[1, 0, 2]]
    """
    middle, end = _directed(bonds)
    after = np.searchsorted(middle, middle, "right") - np.arange(len(middle)) - 1  # later neighbours of the same atom
    first, number = _each(after)
    return np.stack([end[first], middle[first], end[first + 1 + number]], 1)


def dihedrals_of(bonds: Any) -> np.ndarray:
    """All i-j-k-l along three bonds, each once (i < l), without those that close a ring of three; (m, 4), ascending.

    >>> dihedrals_of([(0, 1), (1, 2), (2, 3)]).tolist()
    [[0, 1, 2, 3]]
    """
    start, end = _directed(bonds)
    j, k = (part[start < end] for part in (start, end))
    (first_of_j, many_of_j), (first_of_k, many_of_k) = (
        (left := np.searchsorted(start, atom), np.searchsorted(start, atom, "right") - left) for atom in (j, k)
    )
    which, number = _each(many_of_j * many_of_k)
    i = end[first_of_j[which] + number // many_of_k[which]]
    l = end[first_of_k[which] + number % many_of_k[which]]
    rows = np.stack([i, j[which], k[which], l], 1)[(i != k[which]) & (l != j[which]) & (i != l)]
    rows = np.where((rows[:, 0] < rows[:, 3])[:, None], rows, rows[:, ::-1])
    return rows[np.lexsort(rows.T[::-1])]


def pairs14_of(bonds: Iterable[tuple[int, int]]) -> dict[tuple[int, int], tuple[int, int, int, int]]:
    """Pairs three bonds apart and not fewer, each with the first dihedral between them.

    >>> pairs14_of([(0, 1), (1, 2), (2, 3)])
    {(0, 3): (0, 1, 2, 3)}
    """
    bonds = list(bonds)
    nearer = {(min(b), max(b)) for b in bonds} | {(i, k) for i, _, k in angles_of(bonds).tolist()}
    found: dict[tuple[int, int], tuple[int, int, int, int]] = {}
    for way in map(tuple, dihedrals_of(bonds).tolist()):
        pair = (way[0], way[3])
        if pair not in nearer:
            found.setdefault(pair, way)
    return found


def near_pairs_of(bonds: Any, n_atoms: int, most: int) -> np.ndarray:
    """All pairs i < j joined by at most `most` bonds, ascending; (m, 2).

    >>> near_pairs_of([(0, 1), (1, 2), (2, 3)], n_atoms=4, most=2).tolist()
    [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]
    """
    start, end = _directed(bonds)
    step = csr_array((np.ones(len(start), bool), (start, end)), shape=(n_atoms, n_atoms))
    reached = total = step
    for _ in range(most - 1):
        reached = reached @ step
        total = total + reached
    pairs = np.stack(triu(total, 1).nonzero(), 1) if most > 0 else np.empty((0, 2), np.int64)
    return pairs[np.lexsort(pairs.T[::-1])].astype(np.int64)


def _directed(bonds: Any) -> tuple[np.ndarray, np.ndarray]:
    """Each bond in both directions, (from, to), once, ascending."""
    rows = np.asarray(list(bonds) if not isinstance(bonds, np.ndarray) else bonds, dtype=np.int64).reshape(-1, 2)
    size = int(rows.max(initial=0)) + 1
    return np.divmod(
        np.unique(np.concatenate([rows @ [size, 1], rows @ [1, size]])), size
    )  # like unique rows, but faster


def _each(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For k groups of these sizes: the group of each member, and its number within the group."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
