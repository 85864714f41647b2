"""Evidential: a network that also predicts a distribution of means and variances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import softplus

from labkit.neural.heads.head import Head
from labkit.neural.heads.likelihood import FLOOR, mean_square
from labkit.neural.heads.variances import Variances
from labkit.neural.training.loss import predict

if TYPE_CHECKING:
    from labkit.neural.networks.network import Network
    from labkit.neural.training.frames import Batch
    from labkit.neural.training.loss import Weights


@dataclass(frozen=True, eq=False)
class Evidence:
    """ν, α and β of normal-inverse-gamma distributions: σ² ~ Γ⁻¹(α, β), mean ~ N(prediction, σ²/ν)."""

    nu: Tensor
    alpha: Tensor
    beta: Tensor

    @property
    def of_data(self) -> Tensor:
        """E[σ²] = β/(α - 1)."""
        return self.beta / (self.alpha - 1)

    @property
    def of_model(self) -> Tensor:
        """Var[mean] = β/(ν (α - 1))."""
        return self.of_data / self.nu

    def loss(self, errors: Tensor, regularisation: float) -> Tensor:
        """Mean of Student's t negative log-likelihood plus |e| (2ν + α) · regularisation, over errors that are not NaN.

        NLL = ½ ln(π/ν) - α ln Ω + (α + ½) ln(ν e² + Ω) + ln Γ(α) - ln Γ(α + ½), Ω = 2β (1 + ν).
        """
        known = torch.isfinite(errors)
        if not bool(known.any()):
            return errors.new_zeros(())
        e = errors[known]
        nu, alpha, beta = (x.expand_as(known)[known] for x in (self.nu, self.alpha, self.beta))
        omega = 2 * beta * (1 + nu)
        surprise = 0.5 * (math.pi / nu).log() - alpha * omega.log() + (alpha + 0.5) * (nu * e.square() + omega).log()
        surprise = surprise + torch.lgamma(alpha) - torch.lgamma(alpha + 0.5)
        return (surprise + regularisation * e.abs() * (2 * nu + alpha)).mean()


@dataclass(frozen=True)
class Evidential(Head):
    """Seven outputs of each atom: its energy; ν, α, β of the energy per atom, averaged over the atoms of a system; and
    ν, α, β of the components of its force.

    The loss is that of `Evidence`, for energies per atom and for forces; virials by least squares. The uncertainty is
    useful only together with a distance; it is seldom the best choice (Tan et al., npj Comput. Mater. 9, 225, 2023).

    Source: Amini, Schwarting, Soleimany, Rus, NeurIPS 33 (2020), arXiv:1910.02600.
    """

    columns: int = 7
    regularisation: float = 0.01
    squares = False

    def energies(self, outputs: Tensor) -> Tensor:
        return outputs[:, :1]

    def evidence(self, outputs: Tensor, index: Tensor, counts: Tensor) -> tuple[Evidence, Evidence]:
        """Evidence for energies per atom (S,) and for forces (n,), in units of the potential's scale."""
        means = outputs.new_zeros(len(counts), 3).index_add(0, index, outputs[:, 1:4])
        return _evidence(means / counts[:, None].to(means.dtype)), _evidence(outputs[:, 4:])

    def variances(self, outputs: Tensor, index: Tensor, counts: Tensor) -> Variances:
        energy, forces = self.evidence(outputs, index, counts)
        square = counts.to(outputs.dtype).square()
        return Variances(
            (energy.of_data + energy.of_model) * square,
            forces.of_data + forces.of_model,
            energy.of_model * square,
            forces.of_model,
        )

    def loss(
        self, weights: Weights, network: Network, batch: Batch, seed: tuple[int, int], scoring: bool = False
    ) -> Tensor:
        found = predict(network, batch, derivatives=weights.forces > 0 or weights.stress > 0, graph=True)
        size = batch.counts.to(found.energy.dtype)
        energy, forces = self.evidence(found.outputs, batch.index, batch.counts)
        total = weights.energy * energy.loss((found.energy - batch.energy) / size, self.regularisation)
        if weights.forces:
            each = Evidence(forces.nu[:, None], forces.alpha[:, None], forces.beta[:, None])
            total = total + weights.forces * each.loss(found.forces - batch.forces, self.regularisation)
        if weights.stress:
            total = total + weights.stress * mean_square((found.virial - batch.virial) / size[:, None, None])
        return total


def _evidence(raw: Tensor) -> Evidence:
    nu, alpha, beta = softplus(raw).unbind(-1)
    return Evidence(nu + FLOOR, alpha + 1 + 1e-3, beta + FLOOR)
