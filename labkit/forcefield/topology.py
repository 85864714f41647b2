"""Angles, dihedrals and 1-4 pairs that follow from a list of bonds."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations


def neighbours_of(bonds: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """The bonded neighbours of each bonded atom, ascending.

    >>> neighbours_of([(0, 1), (2, 0)])
    {0: [1, 2], 1: [0], 2: [0]}
    """
    found: dict[int, set[int]] = {}
    for i, j in bonds:
        found.setdefault(i, set()).add(j)
        found.setdefault(j, set()).add(i)
    return {i: sorted(found[i]) for i in sorted(found)}


def angles_of(bonds: Iterable[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """All i-j-k with bonds i-j and j-k, i < k.

    >>> angles_of([(0, 1), (0, 2)])
    [(1, 0, 2)]
    """
    return [(i, j, k) for j, near in neighbours_of(bonds).items() for i, k in combinations(near, 2)]


def dihedrals_of(bonds: Iterable[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """All i-j-k-l along three bonds, each once (i < l), without those that close a ring of three.

    >>> dihedrals_of([(0, 1), (1, 2), (2, 3)])
    [(0, 1, 2, 3)]
    """
    near = neighbours_of(bonds)
    ways = [
        (i, j, k, l)
        for j in near
        for k in near[j]
        if j < k
        for i in near[j]
        if i != k
        for l in near[k]
        if l not in (j, i)
    ]
    return sorted(way if way[0] < way[3] else way[::-1] for way in ways)


def pairs14_of(bonds: Iterable[tuple[int, int]]) -> dict[tuple[int, int], tuple[int, int, int, int]]:
    """Pairs three bonds apart and no fewer, each with the first dihedral between them.

    >>> pairs14_of([(0, 1), (1, 2), (2, 3)])
    {(0, 3): (0, 1, 2, 3)}
    """
    bonds = list(bonds)
    nearer = {(min(b), max(b)) for b in bonds} | {(i, k) for i, _, k in angles_of(bonds)}
    found: dict[tuple[int, int], tuple[int, int, int, int]] = {}
    for way in dihedrals_of(bonds):
        pair = (way[0], way[3])
        if pair not in nearer:
            found.setdefault(pair, way)
    return found
