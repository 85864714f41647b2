"""Fixed potentials beside a neural one, which learns the difference."""

from labkit.neural.priors.difference import without_prior
from labkit.neural.priors.with_prior import WithPrior, load
from labkit.neural.priors.zbl import Zbl

__all__ = ["WithPrior", "Zbl", "load", "without_prior"]
