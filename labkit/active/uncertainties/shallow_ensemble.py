"""ShallowSpread: how far the K outputs of one network differ."""

from __future__ import annotations

from torch import Tensor

from labkit.active.uncertainties.rows import RowSpread
from labkit.errors import LabkitError
from labkit.neural import NeuralPotential


class ShallowSpread(RowSpread):
    """Standard deviations over the K outputs of a shallow ensemble, as in `RowSpread`.

    potential   a NeuralPotential with outputs > 1, or a Sum with one or more; per_atom "forces" or "energies"

    Raises LabkitError for a network with one output. Source: Kellner and Ceriotti, Mach. Learn.: Sci. Technol. 5,
    035006 (2024).

    >>> from ase.build import molecule
    >>> from labkit.base import State
    >>> from labkit.neural import NeuralConfig
    >>> potential = NeuralPotential(NeuralConfig(channels=8, outputs=4), ["H", "O"], {"H": -13.6, "O": -432.0})
    >>> spread = ShallowSpread(potential)(State.from_atoms(molecule("H2O")))
    >>> tuple(spread.per_atom.shape), spread.unit_per_atom
    ((3,), 'eV/Å')
    """

    def rows(self, network: NeuralPotential) -> Tensor:
        last = network.network.last.weight.detach()
        found = network.network.head.energies(last.T).T
        if len(found) < 2:
            raise LabkitError(
                f"ShallowSpread: the network has one output of energies (head {network.config.head!r}); train one with "
                "outputs=8, or give `with_head(potential, outputs=8)` some more training"
            )
        return found
