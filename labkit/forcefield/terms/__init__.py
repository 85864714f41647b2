"""Terms of the energy: each can be used alone or in a batch and is differentiable.

A new term needs a file and a line here: the file registers how it is read from OpenMM, written and compiled
(`registry`), and the names here are public in labkit.forcefield.
"""

from labkit.forcefield.terms.angles import HarmonicAngles as HarmonicAngles
from labkit.forcefield.terms.bias import Bias as Bias
from labkit.forcefield.terms.bonds import HarmonicBonds as HarmonicBonds
from labkit.forcefield.terms.bonds import UreyBradley as UreyBradley
from labkit.forcefield.terms.cmap import Cmap as Cmap
from labkit.forcefield.terms.contacts import Contacts as Contacts
from labkit.forcefield.terms.coulomb import Coulomb as Coulomb
from labkit.forcefield.terms.generalized_born import GeneralizedBorn as GeneralizedBorn
from labkit.forcefield.terms.geometric_mixing import GeometricLennardJones as GeometricLennardJones
from labkit.forcefield.terms.impropers import HarmonicImpropers as HarmonicImpropers
from labkit.forcefield.terms.lennard_jones import LennardJones as LennardJones
from labkit.forcefield.terms.nbfix import Nbfix as Nbfix
from labkit.forcefield.terms.pairs14 import Pairs14 as Pairs14
from labkit.forcefield.terms.pme import Pme as Pme
from labkit.forcefield.terms.repulsion import Repulsion as Repulsion
from labkit.forcefield.terms.repulsion import RepulsionCG as RepulsionCG
from labkit.forcefield.terms.restraints import FlatBottom as FlatBottom
from labkit.forcefield.terms.restraints import Restraints as Restraints
from labkit.forcefield.terms.ryckaert_bellemans import RyckaertBellemans as RyckaertBellemans
from labkit.forcefield.terms.term import Term as Term
from labkit.forcefield.terms.torsions import Torsions as Torsions

__all__ = sorted(name for name, thing in globals().items() if isinstance(thing, type))
