"""Linear algebra of GAP and tensor regression: build once, solve often; choose representative points."""

from labkit.regression.least_squares import Block, BlockLeastSquares, Solution
from labkit.regression.selection import select
from labkit.regression.spectral import Posterior, Spectral

__all__ = ["Block", "BlockLeastSquares", "Posterior", "Solution", "Spectral", "select"]
