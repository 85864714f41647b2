"""Elements of atoms in files that have masses but no elements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from ase.data import atomic_masses

HYDROGEN = 1.008
HEAVIEST_HYDROGEN = 4.5  # u: repartitioned masses of hydrogen end at 4


def elements_of(masses: Sequence[float], bonds: Iterable[Sequence[int]], names: Sequence[str]) -> list[int]:
    """Atomic numbers (n,) by mass; 0 for an atom, or a bead, that has the mass of no element.

    Where hydrogens are heavier than 1.008 u, because masses were repartitioned, what they have too much is given back
    to the atom that each is bonded to: CH3 with masses 5.963 and 3 times 3.024 u is 12.011 and 3 times 1.008 u.

    masses (n,) u; names (n,): a bonded atom of up to 4.5 u is a hydrogen if its name begins with H, D or a digit

    >>> elements_of([7.979, 3.024, 3.024, 12.011, 14.027], [(0, 1), (0, 2)], ["C1", "H1", "H2", "C2", "CH2"])
    [6, 1, 1, 6, 0]
    """
    own = np.asarray(masses, dtype=float)
    pairs = [tuple(bond) for bond in bonds]
    bonded = {atom for pair in pairs for atom in pair}
    light = np.array([_is_hydrogen(m, name, k in bonded) for k, (m, name) in enumerate(zip(own, names, strict=True))])
    whole = np.where(light, HYDROGEN, own) if len(own) else own
    for i, j in pairs:
        for hydrogen, heavy in ((i, j), (j, i)):
            if light[hydrogen] and not light[heavy]:
                whole[heavy] += own[hydrogen] - HYDROGEN
    known, place = np.unique(whole, return_inverse=True)
    return np.array([_element(mass) for mass in known], dtype=int)[place].tolist()


def _is_hydrogen(mass: float, name: str, bonded: bool) -> bool:
    named = name[:1].upper() in ("H", "D") or name[:1].isdigit()
    return 0 < mass < 1.1 or (0 < mass < HEAVIEST_HYDROGEN and named and bonded)


def _element(mass: float) -> int:
    """The number of the element of this mass; 0 for none, as for the united atoms CH2 and CH3."""
    nearest = int(np.abs(atomic_masses[1:104] - mass).argmin()) + 1
    within = 0.015 if mass < 20 else 0.2  # N is 14.007 u, CH2 is 14.027 u
    return nearest if mass > 0 and abs(atomic_masses[nearest] - mass) < within else 0
