"""Heads of neural potentials: what the last layer predicts, how it is fitted, and what it says about its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labkit.errors import LabkitError, suggest
from labkit.neural.heads.dropout import Dropout
from labkit.neural.heads.ensemble import ShallowEnsemble
from labkit.neural.heads.evidential import Evidential
from labkit.neural.heads.head import Head
from labkit.neural.heads.mean_variance import MeanVariance
from labkit.neural.heads.variances import Variances

if TYPE_CHECKING:
    from labkit.neural.config import NeuralConfig

#: heads by their names in NeuralConfig; a new one needs a file and a line here
HEADS = {
    "plain": lambda config: Head() if config.outputs == 1 else ShallowEnsemble(config.outputs),
    "mean-variance": lambda config: MeanVariance(),
    "evidential": lambda config: Evidential(),
    "dropout": lambda config: Dropout(p=config.dropout),
}

__all__ = ["HEADS", "Dropout", "Evidential", "Head", "MeanVariance", "ShallowEnsemble", "Variances", "head_of"]


def head_of(config: NeuralConfig) -> Head:
    """The head of these settings. Raises LabkitError for an unknown name, or for outputs > 1 if it is not plain."""
    if config.head not in HEADS:
        raise LabkitError(
            f"head {config.head!r} is unknown{suggest(config.head, HEADS)}; expected one of {', '.join(HEADS)}"
        )
    if config.outputs > 1 and config.head != "plain":
        raise LabkitError(
            f"outputs is {config.outputs}, but the head is {config.head!r}; only the plain head has several outputs, "
            "as a shallow ensemble"
        )
    return HEADS[config.head](config)
