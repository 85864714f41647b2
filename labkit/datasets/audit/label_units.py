"""The units of labels, inferred from ratios and from the stiffness of bonds."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols

from labkit.datasets.pairs import Pairs, relative_distance
from labkit.units import BOHR, HARTREE, KCAL_PER_MOL, KJ_PER_MOL, MEV, RYDBERG

ENERGIES = {"eV": 1.0, "Hartree": HARTREE, "Ry": RYDBERG, "kcal/mol": KCAL_PER_MOL, "kJ/mol": KJ_PER_MOL, "meV": MEV}
FORCES = {
    "eV/Å": 1.0,
    "Hartree/bohr": HARTREE / BOHR,
    "Ry/bohr": RYDBERG / BOHR,
    "kcal/mol/Å": KCAL_PER_MOL,
    "kJ/mol/Å": KJ_PER_MOL,
    "meV/Å": MEV,
    "eV/bohr": 1 / BOHR,
    "kJ/mol/nm": KJ_PER_MOL / 10,
    "Hartree/Å": HARTREE,
    "kcal/mol/bohr": KCAL_PER_MOL / BOHR,
}
MDYN = 6.241509  # eV/Å^2 of one mdyn/Å
BADGER = np.array([0.0, 0.335, 0.587, 0.70, 0.80, 0.85, 0.85])  # Å, by row of the periodic table
ROWS = np.array([2, 10, 18, 36, 54, 86])  # last element of each row
NONMETALS = np.array([1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 33, 34, 35, 36, 52, 53, 54])
SOFTER = np.array([1.0, 2.5, 8.0])  # by the metals in a pair: their neighbours are softer than bonds
FACTOR = 6.0  # of measured over expected stiffness, beyond which units are doubted


def stiffness(pairs: Pairs, forces: np.ndarray) -> dict[str, tuple[float, float]]:
    """For each kind of bonded pair: k = -cov(F, r)/var(r) [eV/Å^2], and k over the value from Badger's rule.

    F is the force on the lighter atom, along the bond and away from the other one, r the length. The rule is
    k = 1.86 mdyn/Å · Å^3/(r - d)^3 with d a sum over both atoms' rows, divided by SOFTER if metals take part; here
    it only has to be right within a factor.
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
        expected = 1.86 * MDYN / np.clip(np.median(r[mine]) - row[i[mine][0]] - row[j[mine][0]], 0.3, None) ** 3
        expected /= SOFTER[2 - np.isin([numbers[i[mine][0]], numbers[j[mine][0]]], NONMETALS).sum()]
        correlation = slope[0, 1] / np.sqrt(slope[0, 0] * slope[1, 1] + 1e-300)
        if abs(correlation) * np.sqrt(np.count_nonzero(mine)) > 8:
            name = "-".join(chemical_symbols[z] for z in divmod(int(kind), 200))
            found[name] = float(k), float(k / expected)
    return found


def name_forces(ratio: float) -> str:
    """The unit in which forces would look `ratio` times as large as in eV/Å, or ""."""
    unit = min(FORCES, key=lambda u: abs(np.log(ratio * FORCES[u])))
    return unit if unit != "eV/Å" and abs(np.log(ratio * FORCES[unit])) < np.log(3) else ""


def name_ratio(low: float, high: float, atoms: float, stiff: float | None) -> str:
    """What explains energy labels that are `low` to `high` times the integral of the forces, or "".

    With E in units u_E and F in u_F the ratio is u_F/u_E; simple explanations first, and those that agree with `stiff`,
    the measured over the expected stiffness of bonds.
    """
    best, least = "", np.inf
    for energy, u_e in ENERGIES.items():
        for force, u_f in FORCES.items():
            alike = energy == "eV" or force == "eV/Å" or force.startswith(f"{energy}/")
            if energy == "eV" and force == "eV/Å" or not alike:
                continue
            off = max(np.log(low * u_e / u_f), -np.log(high * u_e / u_f), 0.0)
            centre = abs(np.log(np.sqrt(low * high) * u_e / u_f))
            odd = 0.1 * ((energy != "eV") + (force != "eV/Å")) + 0.02 * list(FORCES).index(force)
            wrong = 0.0 if stiff is None or stiff <= 0 else 0.1 * abs(np.log(stiff * u_f))
            if off < 0.15 and centre + odd + wrong < least:
                best, least = f"energies in {energy} and forces in {force}", centre + odd + wrong
    per_atom = abs(np.log(np.sqrt(low * high) * atoms))
    if atoms > 1.5 and low / 1.15 < 1 / atoms < high * 1.15 and per_atom < least:
        return f"energies per atom, not per frame of {atoms:g} atoms"
    return best
