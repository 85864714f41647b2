"""Outputs of a network and their derivatives with respect to pair vectors, both differentiable by the weights.

The gradient of a force loss needs second derivatives. With λ = dL/d(dE/dv) it is a directional derivative,

    ∂L/∂w = Σ_p λ_p · ∂/∂w (∂E/∂v_p) = d/dε ∂E(v + ελ)/∂w ≈ [∂E(v + ελ)/∂w - ∂E(v - ελ)/∂w] / 2ε,

so that two ordinary backward passes, done as one with twice the atoms, replace a backward pass through a backward
pass. ε is chosen for each frame so that no vector moves by more than a
small length; the relative error of the gradient is about 1e-4.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labkit.neural.networks.edge_pairs import directions
from labkit.neural.networks.network import Network
from labkit.neural.networks.row_slopes import row_slopes
from labkit.neural.training.frames import Batch

#: Å, the largest displacement of a vector: a compromise between rounding and the next term of the series
MOVED = {torch.float32: 1e-2, torch.float64: 1e-4}


def outputs_and_slopes(
    network: Network, batch: Batch, members: bool = False, kept: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Outputs (n, columns) of the last layer, and dE/dv (K, P, 3) of the mean energy or of each of K members.

    kept  (n, F) factors of the features, for dropout
    """
    weights = [p for p in network.parameters() if p.requires_grad]
    return _Slopes.apply(network, batch, members, kept, *weights)


class _Slopes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, network: Network, batch: Batch, members: bool, kept: Tensor | None, *weights: Tensor):
        ctx.network, ctx.batch, ctx.kept, ctx.weights = network, batch, kept, weights
        last = network.last.weight.detach()
        energies = network.head.energies(torch.eye(len(last), dtype=last.dtype, device=last.device))  # (columns, K)
        ctx.energies = energies.T if members else energies.mean(1)[None]
        rows = ctx.energies @ last
        features, slopes = row_slopes(network, batch.species, batch.edges, batch.sign, batch.vectors, rows, kept)
        return network.last(features if kept is None else features * kept).detach(), slopes

    @staticmethod
    def backward(ctx: Any, of_outputs: Tensor, of_slopes: Tensor):  # type: ignore[override]
        network, batch = ctx.network, ctx.batch
        frame = batch.index.index_select(0, batch.i)
        total: list[Tensor | None] = [None] * len(ctx.weights)
        for k, along in enumerate(of_slopes):
            longest = along.new_zeros(len(batch.counts)).scatter_reduce(0, frame, along.norm(dim=1), "amax")
            step = torch.where(longest > 0, MOVED[along.dtype] / longest, 0.0)
            moved = along * step.index_select(0, frame)[:, None]
            inverse = torch.where(step > 0, 0.5 / step, 0.0).index_select(0, batch.index)[:, None] * ctx.energies[k]
            own = 0.5 * of_outputs if k == 0 else torch.zeros_like(of_outputs)
            coefficients = torch.cat([own + inverse, own - inverse])
            edges, sign = batch.edges.twice(), batch.sign.repeat(2)
            distances, unit = directions(torch.cat([batch.vectors + moved, batch.vectors - moved]), edges, sign)
            with torch.enable_grad():
                features = network.features(batch.species.repeat(2), edges, distances, unit)
                if ctx.kept is not None:
                    features = features * ctx.kept.repeat(2, 1)
                loss = (network.last(features) * coefficients).sum()
                found = torch.autograd.grad(loss, ctx.weights, allow_unused=True)
            total = [b if a is None else a if b is None else a + b for a, b in zip(total, found, strict=True)]
        return None, None, None, None, *total
