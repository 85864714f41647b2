"""The units of labels, inferred from ratios and from the stiffness of bonds."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols

from labkit.datasets.audit.energy_ratio import Ratio
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
ATOMIC = ("Hartree/bohr", "Ry/bohr")  # units of forces whose energies are meant to be in Hartree or Ry
MDYN = 6.241509  # eV/Å^2 of one mdyn/Å
BADGER = np.array([0.0, 0.335, 0.587, 0.70, 0.80, 0.85, 0.85])  # Å, by row of the periodic table
ROWS = np.array([2, 10, 18, 36, 54, 86])  # last element of each row
NONMETALS = np.array([1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 33, 34, 35, 36, 52, 53, 54])
SOFTER = np.array([1.0, 2.5, 8.0])  # by the metals in a pair: their neighbours are softer than bonds
BADGER_ERROR = 0.6  # standard deviation of ln of a stiffness over the rule's: a factor of 1.8
DOUBTFUL = 3.0  # standard errors beyond which units are doubted
RATIO_ERROR = 0.05  # of a ratio of energies to forces, besides its own


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


def name_forces(ratio: float, agree: bool) -> str:
    """The unit in which forces would look `ratio` times as large as in eV/Å, or "".

    Units whose energies agree with them, if they do: kcal/mol and kcal/mol/Å, for example.
    """
    units = {u: x for u, x in FORCES.items() if not agree or x == ENERGIES.get(u.rsplit("/", 1)[0]) or u in ATOMIC}
    unit = min(units, key=lambda u: abs(np.log(ratio * FORCES[u])))
    return unit if unit != "eV/Å" and abs(np.log(ratio * FORCES[unit])) < DOUBTFUL * BADGER_ERROR else ""


def name_ratio(ratio: Ratio, atoms: float, stiff: float | None) -> str:
    """What explains energy labels that are so many times the integral of the forces, or "".

    With E in units u_E and F in u_F the ratio is u_F/u_E, and the stiffness of bonds is 1/u_F times that expected; both
    are compared with their errors, and simple explanations come first. Two that are as likely are both named.
    """
    error = float(np.hypot(ratio.error, RATIO_ERROR))
    value = abs(ratio.value)
    found = []
    for energy, u_e in ENERGIES.items():
        for force, u_f in FORCES.items():
            alike = energy == "eV" or force == "eV/Å" or force.startswith(f"{energy}/")
            if alike and (energy, force) != ("eV", "eV/Å") and not ratio.per_atom:
                odd = (energy != "eV") + (force != "eV/Å") + 0.2 * list(FORCES).index(force)
                off = np.log(value * u_e / u_f) / error
                found.append(
                    (odd + _cost(stiff, u_f) + 0.5 * off**2, off, f"energies in {energy} and forces in {force}")
                )
    if atoms > 1.5 or ratio.per_atom:
        off = np.log(value * (1.0 if ratio.per_atom else atoms)) / error
        size = "" if ratio.per_atom else f" of {atoms:g} atoms"
        found.append((1.0 + _cost(stiff, 1.0) + 0.5 * off**2, off, f"energies per atom, not per frame{size}"))
    likely = sorted((cost, name) for cost, off, name in found if abs(off) < DOUBTFUL)
    return " or ".join(name for cost, name in likely[:2] if cost < likely[0][0] + 0.5)


def _cost(stiff: float | None, unit: float) -> float:
    """-ln of the likelihood of a stiffness, in forces of this unit."""
    return 0.0 if stiff is None or stiff <= 0 else 0.5 * (np.log(stiff * unit) / BADGER_ERROR) ** 2
