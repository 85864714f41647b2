"""Which pairs of atoms are near neighbours: by all bonds, or as TorchMD has it, by the terms that are in use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from labkit.forcefield.topology import angles_of, pairs14_of

Row = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Near:
    """Pairs (i < j) of each kind, bonds, angles and 1-4; and of scaled 1-4 pairs the dihedral between them."""

    kinds: Mapping[str, set[Pair]]
    pairs14: Mapping[Pair, Row]

    def excluded(self, kinds: Sequence[str]) -> list[Pair]:
        """All pairs of these kinds, ascending."""
        return sorted(set().union(*(self.kinds[kind] for kind in kinds)))


def near_by_bonds(bonds: Sequence[Row], angles: Sequence[Row]) -> Near:
    """All that follow from the bonds, and the ends of the angles."""
    pairs14 = pairs14_of(bonds)
    ends = _ends(angles) | _ends(map(tuple, angles_of(bonds).tolist()))
    return Near({"bonds": set(bonds), "angles": ends, "1-4": set(pairs14)}, pairs14)


def near_by_terms(rows: Mapping[str, Sequence[Row]], in_use: Collection[str]) -> Near:
    """TorchMD's: the given bonds, the ends of the given angles and dihedrals, each only where its term is in use.

    >>> rows = {"bonds": [(0, 1), (1, 2)], "angles": [(0, 1, 2)], "dihedrals": []}
    >>> near_by_terms(rows, ["bonds", "lj"]).excluded(["bonds", "angles", "1-4"])
    [(0, 1), (1, 2)]
    """
    bonds, angles = (set() if name not in in_use else _ends(rows[name]) for name in ("bonds", "angles"))
    dihedrals = sorted(rows["dihedrals"]) if {"dihedrals", "1-4"} & set(in_use) else []
    ways = {(row[0], row[3]): row for row in reversed(dihedrals)}  # the first way between two ends
    pairs14 = {pair: ways[pair] for pair in sorted(ways) if pair not in bonds | angles}
    return Near({"bonds": bonds, "angles": angles, "1-4": _ends(dihedrals)}, pairs14)


def _ends(rows: Iterable[Row]) -> set[Pair]:
    return {(min(row[0], row[-1]), max(row[0], row[-1])) for row in rows}
