"""Force fields: analytic terms, each of which may run alone, in a batch, and be differentiated."""

from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.openmm.files import load
from labkit.forcefield.openmm.reader import Imported, from_openmm, import_openmm
from labkit.forcefield.openmm.state import state_from_openmm
from labkit.forcefield.openmm.writer import to_openmm
from labkit.forcefield.terms.angles import HarmonicAngles
from labkit.forcefield.terms.bias import Bias
from labkit.forcefield.terms.bonds import HarmonicBonds, UreyBradley
from labkit.forcefield.terms.cmap import Cmap
from labkit.forcefield.terms.coulomb import Coulomb
from labkit.forcefield.terms.generalized_born import GeneralizedBorn
from labkit.forcefield.terms.lennard_jones import LennardJones
from labkit.forcefield.terms.nbfix import Nbfix
from labkit.forcefield.terms.pairs14 import Pairs14
from labkit.forcefield.terms.pme import Pme
from labkit.forcefield.terms.repulsion import Repulsion, RepulsionCG
from labkit.forcefield.terms.restraints import FlatBottom, Restraints
from labkit.forcefield.terms.shared import share
from labkit.forcefield.terms.term import Term
from labkit.forcefield.terms.torsions import HarmonicImpropers, RyckaertBellemans, Torsions
from labkit.forcefield.torchmd.reader import from_torchmd_yaml, torchmd_masses
from labkit.forcefield.typed.forcefield import TypedForceField
from labkit.forcefield.typed.term import TypedTerm

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
