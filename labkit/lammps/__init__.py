"""labkit inside LAMMPS: potentials, integrators and observers in its runs, and MLMOD's parameter files in both."""

from labkit.lammps.host import Host
from labkit.lammps.units import Units
from labkit.oracles.lammps.library import lammps

__all__ = ["Host", "Units", "lammps"]
