"""LAMMPS as a library, and its classical potentials as an oracle."""

from labkit.oracles.lammps.classical import LammpsClassical
from labkit.oracles.lammps.library import INSTALL, lammps

__all__ = ["INSTALL", "LammpsClassical", "lammps"]
