"""How stiff bonds are, beside what their lengths let one expect: a check of forces that needs no energies."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols

from labkit.datasets.pairs import Pairs, relative_distance

MDYN = 6.241509  # eV/Å^2 of one mdyn/Å
BADGER = np.array([0.0, 0.335, 0.587, 0.70, 0.80, 0.85, 0.85])  # Å, by row of the periodic table
ROWS = np.array([2, 10, 18, 36, 54, 86])  # last element of each row
NONMETALS = np.array([1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 33, 34, 35, 36, 52, 53, 54])
SOFTER = np.array([1.0, 2.5, 3.5])  # by the metals in a pair: their neighbours are softer than bonds
BADGER_ERROR = 0.6  # standard deviation of ln of a stiffness over the rule's: a factor of 1.8


def stiffness(pairs: Pairs, forces: np.ndarray) -> dict[str, tuple[float, float]]:
    """For each kind of bonded pair: k = -cov(F, r)/var(r) [eV/Å^2], and k over the value from Badger's rule.

    F is the force on the lighter atom, along the bond and away from the other one, r the length. The rule is
    k = 1.86 mdyn/Å · Å^3/(r - d)^3 with d a sum over both atoms' rows, divided by SOFTER if metals take part; it is
    integrated to a force, whose regression on the same lengths is what is expected. Right within a factor of 2 or so.
    Source: Badger, J. Chem. Phys. 2, 128 (1934) and 3, 710 (1935).
    """
    numbers = pairs.numbers
    light = (numbers[pairs.i] <= numbers[pairs.j]) & (relative_distance(pairs) < 1.3)
    i, j, r, unit = pairs.i[light], pairs.j[light], pairs.distance[light], pairs.unit[light]
    along = -np.einsum("pc,pc->p", forces[i], unit)
    row = BADGER[np.searchsorted(ROWS, numbers)]
    found = {}
    code = numbers[i] * 200 + numbers[j]
    for kind in np.unique(code):
        mine = (code == kind) & np.isfinite(along)
        if np.count_nonzero(mine) < 10 or r[mine].std() < 1e-3:
            continue
        slope = np.cov(along[mine], r[mine])
        k = -slope[0, 1] / slope[1, 1]
        beyond = np.clip(r[mine] - row[i[mine][0]] - row[j[mine][0]], 0.3, None)
        rule = np.cov(0.93 * MDYN / beyond**2, r[mine])
        expected = -rule[0, 1] / rule[1, 1]
        expected /= SOFTER[2 - np.isin([numbers[i[mine][0]], numbers[j[mine][0]]], NONMETALS).sum()]
        correlation = slope[0, 1] / np.sqrt(slope[0, 0] * slope[1, 1] + 1e-300)
        if abs(correlation) * np.sqrt(np.count_nonzero(mine)) > 8:
            name = "-".join(chemical_symbols[z] for z in divmod(int(kind), 200))
            found[name] = float(k), float(k / expected)
    return found
