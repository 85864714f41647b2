"""The nouns: systems and their states, potentials and what they say, integrators and observers."""

from labkit.base.ase_potential import AsePotential
from labkit.base.beads import beads
from labkit.base.bonded import bonds_of
from labkit.base.calculator import Calculator
from labkit.base.integrator import Integrator
from labkit.base.module_potential import ModulePotential
from labkit.base.neighbours import NeighbourList, Neighbours, find_neighbours
from labkit.base.observer import Observer
from labkit.base.outside import Outside, TorchmdPotential
from labkit.base.potential import Committee, Compiled, Evaluation, Potential, Sum
from labkit.base.progress import NO_PROGRESS, NoProgress, Progress
from labkit.base.system import State, System, check_atoms
from labkit.base.vocabulary import ELEMENTS, Vocabulary

__all__ = [
    "ELEMENTS",
    "NO_PROGRESS",
    "AsePotential",
    "Calculator",
    "Committee",
    "Compiled",
    "Evaluation",
    "Integrator",
    "ModulePotential",
    "NeighbourList",
    "Neighbours",
    "NoProgress",
    "Observer",
    "Outside",
    "Potential",
    "Progress",
    "State",
    "Sum",
    "System",
    "TorchmdPotential",
    "Vocabulary",
    "beads",
    "bonds_of",
    "check_atoms",
    "find_neighbours",
]
