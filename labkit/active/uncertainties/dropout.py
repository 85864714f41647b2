"""DropoutSpread: how far a network's results differ if features are left out at random."""

from __future__ import annotations

from torch import Tensor

from labkit.active.uncertainties.parts import PerAtom
from labkit.active.uncertainties.rows import RowSpread
from labkit.base import Potential
from labkit.errors import LabkitError
from labkit.neural import NeuralPotential, dropout_rows


class DropoutSpread(RowSpread):
    """Standard deviations over K random choices of features (Monte-Carlo dropout), as in `RowSpread`.

    potential   a NeuralPotential trained with head='dropout', or a Sum with one or more
    count       K; a standard deviation of K results is known to 1/√(2 (K - 1)), 27 % for 8
    seed        of the choice, which is the same for all states, so that the spread is a smooth function of positions

    It need not grow outside the data: as an O-H bond of ice was stretched to 1.6 Å it grew by a tenth, the spread of a
    committee sixfold. Use a distance beside it.

    Raises LabkitError for a network trained without dropout, and for count < 2. Source: Gal and Ghahramani, ICML 33
    (2016), arXiv:1506.02142.

    >>> from ase.build import molecule
    >>> from labkit.base import State
    >>> from labkit.neural import NeuralConfig
    >>> potential = NeuralPotential(NeuralConfig(channels=8, head="dropout"), ["H", "O"], {"H": -13.6, "O": -432.0})
    >>> tuple(DropoutSpread(potential, per_atom="energies")(State.from_atoms(molecule("H2O"))).per_system.shape)
    (1,)
    """

    def __init__(self, potential: Potential, *, count: int = 8, seed: int = 0, per_atom: PerAtom = "forces") -> None:
        if count < 2:
            raise LabkitError(f"DropoutSpread: count is {count}; a spread needs at least 2 choices of features")
        self.count, self.seed = count, seed
        super().__init__(potential, per_atom=per_atom)

    def rows(self, network: NeuralPotential) -> Tensor:
        return dropout_rows(network, self.count, self.seed)
