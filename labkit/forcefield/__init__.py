"""Force fields: analytic terms, each of which may run alone, in a batch, and be differentiated."""

from labkit.forcefield.angles import HarmonicAngles
from labkit.forcefield.bias import Bias
from labkit.forcefield.bonds import HarmonicBonds, UreyBradley
from labkit.forcefield.cmap import Cmap
from labkit.forcefield.coulomb import Coulomb
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.from_files import load
from labkit.forcefield.from_openmm import Imported, from_openmm, import_openmm
from labkit.forcefield.generalized_born import GeneralizedBorn
from labkit.forcefield.lennard_jones import LennardJones
from labkit.forcefield.nbfix import Nbfix
from labkit.forcefield.openmm_state import state_from_openmm
from labkit.forcefield.pairs14 import Pairs14
from labkit.forcefield.pme import Pme
from labkit.forcefield.repulsion import Repulsion, RepulsionCG
from labkit.forcefield.restraints import FlatBottom, Restraints
from labkit.forcefield.shared import share
from labkit.forcefield.term import Term
from labkit.forcefield.to_openmm import to_openmm
from labkit.forcefield.torchmd_yaml import from_torchmd_yaml, torchmd_masses
from labkit.forcefield.torsions import HarmonicImpropers, RyckaertBellemans, Torsions
from labkit.forcefield.typed_forcefield import TypedForceField
from labkit.forcefield.typed_term import TypedTerm

__all__ = [
    "Bias",
    "Cmap",
    "Coulomb",
    "FlatBottom",
    "ForceField",
    "GeneralizedBorn",
    "HarmonicAngles",
    "HarmonicBonds",
    "HarmonicImpropers",
    "Imported",
    "LennardJones",
    "Nbfix",
    "Pairs14",
    "Pme",
    "Repulsion",
    "RepulsionCG",
    "Restraints",
    "RyckaertBellemans",
    "Term",
    "Torsions",
    "TypedForceField",
    "TypedTerm",
    "UreyBradley",
    "from_openmm",
    "from_torchmd_yaml",
    "import_openmm",
    "load",
    "share",
    "state_from_openmm",
    "to_openmm",
    "torchmd_masses",
]
