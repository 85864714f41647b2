"""Linear algebra under GAP and tensor regression: design once, solve many; choose points that stand for all."""

from labkit.regression.least_squares import Block, BlockLeastSquares, Solution
from labkit.regression.selection import select
from labkit.regression.spectral import Posterior, Spectral

__all__ = ["Block", "BlockLeastSquares", "Posterior", "Solution", "Spectral", "select"]
