"""Colloids in an explicit solvent: pulled in LAMMPS, reduced to mobilities, compared with the periodic tensor."""

from tools.colloids.compare import Comparison, compare, mobilities, viscosity
from tools.colloids.data import Colloids, colloids
from tools.colloids.pull import Block, pull
from tools.colloids.settings import Piece, Solvent

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
