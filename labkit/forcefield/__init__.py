"""Force fields: analytic terms, each of which may run alone, in a batch, and be differentiated."""

from labkit.forcefield.angles import HarmonicAngles
from labkit.forcefield.bonds import HarmonicBonds, UreyBradley
from labkit.forcefield.cmap import Cmap
from labkit.forcefield.coulomb import Coulomb
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.lennard_jones import LennardJones
from labkit.forcefield.pairs14 import Pairs14
from labkit.forcefield.pme import Pme
from labkit.forcefield.term import Term
from labkit.forcefield.torsions import HarmonicImpropers, RyckaertBellemans, Torsions

__all__ = [
    "Cmap",
    "Coulomb",
    "ForceField",
    "HarmonicAngles",
    "HarmonicBonds",
    "HarmonicImpropers",
    "LennardJones",
    "Pairs14",
    "Pme",
    "RyckaertBellemans",
    "Term",
    "Torsions",
    "UreyBradley",
]
