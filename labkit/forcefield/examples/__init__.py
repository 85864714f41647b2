"""Small systems that need no files: water, a peptide, a chain with known populations; salt water in `brine`."""

from labkit.forcefield.examples.butane import BARRIER, TILT, chain, cis_share, is_cis
from labkit.forcefield.examples.molecules import Example, peptide, water

__all__ = ["BARRIER", "TILT", "Example", "chain", "cis_share", "is_cis", "peptide", "water"]
