"""ShallowEnsemble: K last layers on one network, whose spread is fitted to the errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from labkit.neural.heads.head import Head
from labkit.neural.heads.likelihood import BETA, gaussian, mean_square
from labkit.neural.training.loss import predict_members

if TYPE_CHECKING:
    from labkit.neural.networks.network import Network
    from labkit.neural.training.frames import Batch
    from labkit.neural.training.loss import Weights


@dataclass(frozen=True)
class ShallowEnsemble(Head):
    """K outputs: their mean is the energy, their variance s² (K - 1 in the denominator) that of its error.

    L = ½ <(Ē - y)²/s² + ln s²> for energies per atom, and the same for components of forces, each with its weight and
    as in `gaussian`; virials of the mean by least squares. The loss needs the forces of all outputs, so a step costs
    up to K times as much.

    Source: Kellner and Ceriotti, Mach. Learn.: Sci. Technol. 5, 035006 (2024).
    """

    columns: int = 8
    squares = False

    def loss(
        self, weights: Weights, network: Network, batch: Batch, seed: tuple[int, int], scoring: bool = False
    ) -> Tensor:
        beta = 0.0 if scoring else BETA
        found = predict_members(network, batch, derivatives=weights.forces > 0 or weights.stress > 0)
        size = batch.counts.to(found.energy.dtype)
        energy = found.energy / size
        total = weights.energy * gaussian(energy.mean(0) - batch.energy / size, energy.var(0), beta)
        if weights.forces:
            total = total + weights.forces * gaussian(found.forces.mean(0) - batch.forces, found.forces.var(0), beta)
        if weights.stress:
            errors = (found.virial.mean(0) - batch.virial) / size[:, None, None]
            total = total + weights.stress * mean_square(errors)
        return total
