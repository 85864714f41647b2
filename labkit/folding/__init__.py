"""Coarse-graining of proteins: collective variables of beads, umbrellas, forces on beads, the data of chignolin."""

from labkit.folding.mapping import beads_at, optimal_force_map, tied_atoms
from labkit.folding.umbrella import Umbrella
from labkit.folding.variables import BeadVariable, NativeContacts, Rmsd

__all__ = ["BeadVariable", "NativeContacts", "Rmsd", "Umbrella", "beads_at", "optimal_force_map", "tied_atoms"]
