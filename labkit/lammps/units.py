"""LAMMPS units styles in eV, Å, fs and u."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.errors import LabkitError, suggest
from labkit.units import ASE_TIME, BOHR, HARTREE, KCAL_PER_MOL, KINETIC

#: kg of one u; m and s in labkit's units are exact
_U = 1.66053906660e-27


@dataclass(frozen=True)
class Units:
    """Multiply by these to convert to labkit's units: length [Å], energy [eV], time [fs], mass [u].

    A style of LAMMPS by name, `Units.of("real")`, or a scale for reduced ones, `Units.lj(sigma=3.4, epsilon=0.0104)`.

    >>> Units.of("metal").time
    1000.0
    """

    length: float
    energy: float
    time: float
    mass: float

    @property
    def force(self) -> float:
        """eV/Å of one unit of force, energy per length."""
        return self.energy / self.length

    @property
    def velocity(self) -> float:
        """Å/fs of one unit of velocity."""
        return self.length / self.time

    @classmethod
    def lj(cls, sigma: float, epsilon: float, mass: float = 1.0) -> Units:
        """Reduced units with sigma [Å], epsilon [eV] and mass [u]; time follows, sigma sqrt(mass/epsilon)."""
        return cls(sigma, epsilon, sigma * (mass / epsilon) ** 0.5 * ASE_TIME, mass)

    @classmethod
    def of(cls, style: str | Units) -> Units:
        """The units of a style of LAMMPS; raises LabkitError for "lj", which has none, and for an unknown one."""
        if isinstance(style, Units):
            return style
        if style == "lj":
            raise LabkitError(
                "units lj: reduced units have no size; define them: units=Units.lj(sigma=3.4, "
                "epsilon=0.0104, mass=39.95) in Å, eV and u, "
                "or Units.lj(1, 1) if labkit's numbers are to be the reduced ones"
            )
        if style not in STYLES:
            raise LabkitError(f"units {style!r}: expected one of {', '.join(STYLES)}, lj{suggest(style, STYLES)}")
        return STYLES[style]


def _of_si(length: float, time: float, mass: float) -> Units:
    """Units whose energy is mass length²/time², from m, s and kg."""
    a, t, u = length * 1e10, time * 1e15, mass / _U
    return Units(a, u * (a / t) ** 2 * KINETIC, t, u)


STYLES = {
    "metal": Units(1.0, 1.0, 1000.0, 1.0),
    "real": Units(1.0, KCAL_PER_MOL, 1.0, 1.0),
    "electron": Units(BOHR, HARTREE, 1.0, 1.0),
    "nano": _of_si(1e-9, 1e-9, 1e-21),
    "micro": _of_si(1e-6, 1e-6, 1e-15),
    "si": _of_si(1.0, 1.0, 1.0),
    "cgs": _of_si(1e-2, 1.0, 1e-3),
}
