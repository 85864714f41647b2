"""The units in which energies and forces may have been written, and how likely each is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from labkit.datasets.audit.ratio import Ratio
from labkit.datasets.audit.stiffness import BADGER_ERROR
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
DOUBTFUL = 3.0  # standard errors beyond which units are doubted
RATIO_ERROR = 0.05  # of a ratio of energies to forces, besides its own
UNUSUAL = {"eV": 0.0, "Ry": 1.3, "kJ/mol": 1.3, "meV": 1.5}  # -ln of how common units of energy are; others: 1
RIVAL = 1.5  # difference of -ln of likelihoods, below which two units are both named


class LabelUnits(NamedTuple):
    """Units of energies and forces, what they are in eV and eV/Å, and -ln of their likelihood."""

    name: str
    energy: float
    forces: float
    cost: float


def likely_units(ratio: Ratio | None, stiff: float | None, atoms: float) -> list[LabelUnits]:
    """Units that explain a ratio of energies to forces and a stiffness of bonds within 3 errors; the likeliest first.

    With E in units u_E and F in u_F the ratio is u_F/u_E, and the stiffness of bonds is 1/u_F times that expected.
    Those that are less likely by more than a factor e^RIVAL are left out, and so are eV and eV/Å. `atoms` of a frame
    explain the ratio if energies are per atom.
    """
    found = []
    for energy, u_e in ENERGIES.items():
        for force, u_f in FORCES.items():
            alike = energy == "eV" or force == "eV/Å" or force.startswith(f"{energy}/")
            if alike and (energy, force) != ("eV", "eV/Å") and not (ratio and ratio.per_atom):
                cost = UNUSUAL.get(energy, 1.0) + (force != "eV/Å") + 0.1 * list(FORCES).index(force)
                name = f"energies in {energy} and forces in {force}"
                found.append(_judged(LabelUnits(name, u_e, u_f, cost), u_f / u_e, ratio, stiff))
    if ratio is not None:
        size = "" if ratio.per_atom else f" of {atoms:g} atoms"
        name = f"energies per atom, not per frame{size}"
        found.append(_judged(LabelUnits(name, 1.0, 1.0, 1.0), 1.0 if ratio.per_atom else 1 / atoms, ratio, stiff))
    likely = sorted((x for x in found if x.cost < np.inf), key=lambda x: x.cost)
    return [x for x in likely if x.cost < likely[0].cost + RIVAL][:3]


def _judged(units: LabelUnits, expected: float, ratio: Ratio | None, stiff: float | None) -> LabelUnits:
    """With the likelihood of the ratio and of the stiffness, each known within its error."""
    off = [] if ratio is None else [np.log(abs(ratio.value) / expected) / np.hypot(ratio.error, RATIO_ERROR)]
    if stiff is not None:
        off.append(np.log(abs(stiff) * units.forces) / BADGER_ERROR)
    cost = units.cost + 0.5 * sum(x**2 for x in off)
    return units._replace(cost=cost if max(map(abs, off), default=0.0) < DOUBTFUL else np.inf)
