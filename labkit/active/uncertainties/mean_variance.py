"""MeanVarianceSpread: the noise that a network predicts for its errors."""

from __future__ import annotations

from labkit.active.uncertainties.predicted import PredictedSpread
from labkit.neural.heads import MeanVariance


class MeanVarianceSpread(PredictedSpread):
    """Standard deviations of errors, predicted by a network with head='mean-variance'; see `PredictedSpread`.

    It describes the noise of training labels. Errors of atoms count as independent, so that σ_E is √2 times as large
    for twice the cell. Nothing makes it grow outside the data: use a distance beside it.

    Raises LabkitError for other potentials.
    Source: Nix and Weigend, Proc. IEEE Int. Conf. Neural Networks 1, 55 (1994).

    >>> from ase.build import molecule
    >>> from labkit.base import State
    >>> from labkit.neural import NeuralConfig, NeuralPotential
    >>> config = NeuralConfig(channels=8, head="mean-variance")
    >>> potential = NeuralPotential(config, ["H", "O"], {"H": -13.6, "O": -432.0})
    >>> MeanVarianceSpread(potential)(State.from_atoms(molecule("H2O"))).unit_per_atom
    'eV/Å'
    """

    head, name = MeanVariance, "mean-variance"
