"""The sets of frames, and the trajectories that they come from."""

from __future__ import annotations

from dataclasses import dataclass

SEED = 2026
RATIOS = (0.82, 1.6, 25)  # of the scan of each bond: from, to, points; without 1, which both would share
ATOMS = {"H": 2, "C": 3, "O": 3}  # multiplicities 2 S + 1 of the ground states


@dataclass(frozen=True)
class Stratum:
    """`samples` frames, `spacing` fs apart, of each of `trajectories`, at `temperatures` [K] in turn.

    kind  "thermal": as they are; "stretched": with a bond at a random length; "torsion": with both torsions at random
    """

    kind: str
    trajectories: int
    samples: int
    temperatures: tuple[float, ...] = (500.0,)
    spacing: float = 200.0


def _wide(hot: int, stretched: int, torsion: int) -> tuple[Stratum, ...]:
    """The mixture of the wide sets from this many trajectories of each kind."""
    temperatures = (800.0, 1000.0, 1200.0, 1400.0, 1600.0)
    return (
        Stratum("thermal", hot, 25, temperatures, 100.0),
        Stratum("stretched", stretched, 31, spacing=100.0),
        Stratum("torsion", torsion, 21, spacing=100.0),
    )


#: Sets from dynamics. No two share a trajectory: trajectories are numbered through all sets, in this order.
SETS: dict[str, tuple[Stratum, ...]] = {
    "test": (Stratum("thermal", 5, 30),),
    "valid": (Stratum("thermal", 5, 30),),
    "train": (Stratum("thermal", 20, 30),),
    "hot": (Stratum("thermal", 5, 30, (800.0,)),),
    "wide_test": _wide(5, 2, 3),
    "wide": _wide(20, 8, 12),
}

#: All sets in the order in which they are made and labelled.
ORDER = ("isolated_atoms", "test", "valid", "train", "hot", "stretched", "wide_test", "wide")


def trajectories(name: str) -> list[tuple[int, int, Stratum]]:
    """Number, place within its stratum, and stratum of each trajectory of a set.

    >>> [number for number, _, _ in trajectories("valid")]
    [5, 6, 7, 8, 9]
    """
    found, number = [], 0
    for other, strata in SETS.items():
        for stratum in strata:
            if other == name:
                found += [(number + place, place, stratum) for place in range(stratum.trajectories)]
            number += stratum.trajectories
    return found
