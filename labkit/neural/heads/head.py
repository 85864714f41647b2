"""Head: the meaning of the outputs of a network's last layer, and their loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from labkit.neural.heads.variances import Variances
    from labkit.neural.networks.network import Network
    from labkit.neural.training.frames import Batch
    from labkit.neural.training.loss import Weights


class Head:
    """One output, the energy of an atom, fitted by least squares.

    A subclass needs a line in HEADS; all values are in units of the potential's scale.

    columns  outputs of the last layer
    squares  whether the best weights have the smallest squared errors; otherwise the smallest loss
    """

    columns: int = 1
    squares = True

    def energies(self, outputs: Tensor) -> Tensor:
        """Energies (n, K) of atoms from the outputs (n, columns); the potential is their mean."""
        return outputs

    def variances(self, outputs: Tensor, index: Tensor, counts: Tensor) -> Variances | None:
        """The variances that the outputs predict for their errors; None if they predict none.

        index (n,) the frame of each atom; counts (S,) the number of atoms of each frame
        """
        return None

    def loss(
        self, weights: Weights, network: Network, batch: Batch, seed: tuple[int, int], scoring: bool = False
    ) -> Tensor:
        """The loss of a batch, differentiable with respect to the weights.

        seed     that of the training, and the step
        scoring  True to compare weights, which needs the plain likelihood
        """
        return weights.loss(network, batch)
