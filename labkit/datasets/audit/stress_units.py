"""The units, the sign and the order of the components in which stresses may have been written."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from labkit.datasets.dataset import Dataset
from labkit.units import BOHR, GPA, HARTREE, KCAL_PER_MOL, RYDBERG

UNITS = {
    "eV/Å^3": 1.0,
    "GPa": GPA,
    "kbar": 0.1 * GPA,
    "MPa": 1e-3 * GPA,
    "bar": 1e-4 * GPA,
    "Pa": 1e-9 * GPA,
    "Hartree/bohr^3": HARTREE / BOHR**3,
    "Ry/bohr^3": RYDBERG / BOHR**3,
    "kcal/mol/Å^3": KCAL_PER_MOL,
}
VIRIAL = "eV (a virial, not divided by the volume)"
VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")
ORDERS = {
    "xx, yy, zz, yz, xz, xy": (0, 1, 2, 3, 4, 5),
    "xx, yy, zz, xy, yz, xz (as in VASP)": (0, 1, 2, 5, 3, 4),
    "xx, yy, zz, xy, xz, yz (as in LAMMPS)": (0, 1, 2, 5, 4, 3),
    "xx, xy, xz, yy, yz, zz (rows of the upper triangle)": (0, 5, 4, 1, 3, 2),
    "xx, xy, yy, xz, yz, zz (rows of the lower triangle)": (0, 5, 1, 4, 3, 2),
    "zz, yy, xx, xy, xz, yz (axes in reverse)": (2, 1, 0, 5, 4, 3),
}


@dataclass(frozen=True)
class StressFault:
    """How stresses were written: with `sign`, in `unit`, their six numbers in an `order` that was read as Voigt's."""

    sign: int = 1
    unit: str = "eV/Å^3"
    order: str = next(iter(ORDERS))

    def __bool__(self) -> bool:
        return self != StressFault()

    def words(self, *others: str) -> str:
        """How they were written, in this unit or one of the others."""
        units = [x for x in (self.unit, *others) if x != "eV/Å^3"]
        parts = [f"in {' or '.join(units)}"] if units else []
        if self.sign < 0:
            parts.append("with the opposite sign (that of a pressure, or of a virial)")
        if self.order != next(iter(ORDERS)):
            parts.append(f"with components in the order {self.order}, read as {', '.join(VOIGT)}")
        return ", ".join(parts)

    def repaired(self, dataset: Dataset) -> Dataset:
        """The dataset with its stresses in eV/Å^3, of the sign and order of ASE."""
        size = UNITS.get(self.unit, 1.0) * np.ones(len(dataset))
        if self.unit == VIRIAL:
            size = np.array([1 / a.cell.volume if a.cell.rank == 3 else 1.0 for a in dataset.atoms])
        six = as_read(to_six(dataset.stress), self.order)
        return replace(dataset, stress=from_six(self.sign * size[:, None] * six))


def to_six(tensor: np.ndarray) -> np.ndarray:
    """(S, 6, ...) in Voigt's order, of (S, 3, 3, ...)."""
    return tensor[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def from_six(six: np.ndarray) -> np.ndarray:
    """(S, 3, 3) of (S, 6) in Voigt's order."""
    return six[:, [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]


def as_read(six: np.ndarray, order: str) -> np.ndarray:
    """(S, 6) in Voigt's order, of numbers that were written in another one.

    >>> as_read(np.arange(6.0)[None], "xx, xy, xz, yy, yz, zz (rows of the upper triangle)")[0].tolist()
    [0.0, 3.0, 5.0, 4.0, 2.0, 1.0]
    """
    return six[:, np.argsort(ORDERS[order])]
