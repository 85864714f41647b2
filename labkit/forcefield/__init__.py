"""Force fields: analytic terms that can be used alone or in a batch and are differentiable."""

from labkit.forcefield import terms
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.openmm.files import load
from labkit.forcefield.openmm.reader import Imported, from_openmm, import_openmm
from labkit.forcefield.openmm.state import state_from_openmm
from labkit.forcefield.openmm.writer import to_openmm
from labkit.forcefield.terms import *  # noqa: F403 - all terms are public
from labkit.forcefield.terms.shared import share
from labkit.forcefield.torchmd.reader import from_torchmd_yaml, torchmd_masses
from labkit.forcefield.typed.forcefield import TypedForceField
from labkit.forcefield.typed.term import TypedTerm

__all__ = [
    *terms.__all__,
    "ForceField",
    "Imported",
    "TypedForceField",
    "TypedTerm",
    "from_openmm",
    "from_torchmd_yaml",
    "import_openmm",
    "load",
    "share",
    "state_from_openmm",
    "to_openmm",
    "torchmd_masses",
]
