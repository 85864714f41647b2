"""Small systems without files: water, a peptide, and a chain whose populations are known; salt water in `brine`."""

from labkit.forcefield.examples.butane import BARRIER, TILT, chain, cis_share, is_cis
from labkit.forcefield.examples.molecules import Example, peptide, water

__all__ = ["BARRIER", "TILT", "Example", "chain", "cis_share", "is_cis", "peptide", "water"]
