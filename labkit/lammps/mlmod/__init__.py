"""MLMOD parameter files and exported models, in LAMMPS (Host.mlmod) and in labkit's engine (load)."""

from labkit.lammps.mlmod.kinds import KINDS, load
from labkit.lammps.mlmod.parameters import Parameters
from labkit.lammps.mlmod.quantity import Quantity, read_quantity

__all__ = ["KINDS", "Parameters", "Quantity", "load", "read_quantity"]
