"""Colloids in an explicit solvent: pulled in LAMMPS, reduced to mobilities, compared with the periodic tensor."""

from labkit.lammps.solvent.compare import Comparison, compare, mobilities, viscosity
from labkit.lammps.solvent.data import Colloids, colloids
from labkit.lammps.solvent.pull import Block, pull
from labkit.lammps.solvent.settings import Piece, Solvent

__all__ = [
    "Block",
    "Colloids",
    "Comparison",
    "Piece",
    "Solvent",
    "colloids",
    "compare",
    "mobilities",
    "pull",
    "viscosity",
]
