"""Several levels of theory: a cheap one before an expensive one, and the difference of two."""

from labkit.oracles.levels.difference import Difference
from labkit.oracles.levels.prescreened import Prescreened

__all__ = ["Difference", "Prescreened"]
