"""labkit inside LAMMPS: potentials, integrators and observers in its runs, and MLMOD's parameter files in both."""

from labkit.lammps.host import Host
from labkit.lammps.loading import lammps
from labkit.lammps.units import Units

__all__ = ["Host", "Units", "lammps"]
