"""MeanVariance: a network that predicts the energy and the variances of its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import softplus

from labkit.neural.heads.head import Head
from labkit.neural.heads.likelihood import BETA, gaussian, mean_square
from labkit.neural.heads.variances import Variances
from labkit.neural.training.loss import predict

if TYPE_CHECKING:
    from labkit.neural.networks.network import Network
    from labkit.neural.training.frames import Batch
    from labkit.neural.training.loss import Weights


class MeanVariance(Head):
    """Three outputs of each atom: its energy, the variance of the energy, and that of the force components.

    The errors of atomic energies are taken as independent, so the variance of a system is the sum of theirs.
    L = ½ <ΔE²/s² + ln s²> for energies per atom, and the same for components of forces, as in `gaussian`;
    virials by least squares.

    Source: Nix and Weigend, Proc. IEEE Int. Conf. Neural Networks 1, 55 (1994); for forces Busk et al., Phys. Chem.
    Chem. Phys. 25, 25828 (2023).
    """

    columns = 3
    squares = False

    def energies(self, outputs: Tensor) -> Tensor:
        return outputs[:, :1]

    def variances(self, outputs: Tensor, index: Tensor, counts: Tensor) -> Variances:
        found = softplus(outputs[:, 1:])
        energy = found.new_zeros(len(counts)).index_add(0, index, found[:, 0])
        return Variances(energy, found[:, 1])

    def loss(
        self, weights: Weights, network: Network, batch: Batch, seed: tuple[int, int], scoring: bool = False
    ) -> Tensor:
        beta = 0.0 if scoring else BETA
        found = predict(network, batch, derivatives=weights.forces > 0 or weights.stress > 0, graph=True)
        size = batch.counts.to(found.energy.dtype)
        spread = self.variances(found.outputs, batch.index, batch.counts)
        total = weights.energy * gaussian((found.energy - batch.energy) / size, spread.energy / size.square(), beta)
        if weights.forces:
            total = total + weights.forces * gaussian(found.forces - batch.forces, spread.forces[:, None], beta)
        if weights.stress:
            total = total + weights.stress * mean_square((found.virial - batch.virial) / size[:, None, None])
        return total
