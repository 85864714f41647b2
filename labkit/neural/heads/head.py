"""Head: what is made of the outputs of a network's last layer, and the loss that belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from labkit.neural.frames import Batch
    from labkit.neural.heads.variances import Variances
    from labkit.neural.loss import Weights
    from labkit.neural.network import Network


class Head:
    """One output, the energy of an atom, fitted by least squares.

    A subclass is a registered line of HEADS; all values are in units of the potential's scale.

    columns  outputs of the last layer
    squares  whether the best weights are those with the smallest squared errors, otherwise with the smallest loss
    """

    columns: int = 1
    squares = True

    def energies(self, outputs: Tensor) -> Tensor:
        """Energies (n, K) of atoms, of which the potential is the mean, from the outputs (n, columns)."""
        return outputs

    def variances(self, outputs: Tensor, index: Tensor, counts: Tensor) -> Variances | None:
        """What the outputs say of their own errors; None where they say nothing.

        index (n,) the frame of each atom; counts (S,) the atoms of each frame
        """
        return None

    def loss(
        self, weights: Weights, network: Network, batch: Batch, seed: tuple[int, int], scoring: bool = False
    ) -> Tensor:
        """The loss of a batch, differentiable by the weights.

        seed     that of the training, and the step
        scoring  whether different weights are compared, so that the likelihood itself is wanted
        """
        return weights.loss(network, batch)
