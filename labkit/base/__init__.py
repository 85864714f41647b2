"""The basic classes: systems and their states, potentials and their results, integrators and observers."""

from labkit.base.ase_potential import AsePotential
from labkit.base.beads import beads
from labkit.base.bonded import bonds_of
from labkit.base.calculator import Calculator
from labkit.base.external_potential import ExternalPotential, TorchmdPotential
from labkit.base.integrator import Integrator
from labkit.base.module_potential import ModulePotential
from labkit.base.neighbour_list import NeighbourList
from labkit.base.neighbours import Neighbours
from labkit.base.observer import Observer, Stop
from labkit.base.philox import seeds_for
from labkit.base.potential import Committee, Compiled, Evaluation, Potential, Sum
from labkit.base.progress import NO_PROGRESS, Progress
from labkit.base.search import find_neighbours
from labkit.base.state import State
from labkit.base.system import System, check_atoms
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
    "Observer",
    "ExternalPotential",
    "Potential",
    "Progress",
    "State",
    "Stop",
    "Sum",
    "System",
    "TorchmdPotential",
    "Vocabulary",
    "beads",
    "bonds_of",
    "check_atoms",
    "find_neighbours",
    "seeds_for",
]
