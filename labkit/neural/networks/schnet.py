"""SchNet: continuous-filter convolutions, invariant under rotations."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from labkit.neural.networks.forms import Edges
from labkit.neural.networks.network import Network, network


@network("schnet")
class SchNet(Network):
    """x_i -> x_i + W(Σ_j filter(r_ij) · x_j): the filter is a network of Gaussians of the distance with a cutoff.

    With 128 channels, 6 layers and 50 Gaussians it is the network of TorchMD's paper. Only distances enter, so
    mirror images have the same energy whatever `mirror` is.

    Source: Schütt et al., J. Chem. Phys. 148, 241722 (2018).
    """

    def __init__(
        self,
        n_species: int,
        *,
        channels: int = 128,
        layers: int = 6,
        cutoff: float = 5.0,
        n_radial: int = 50,
        outputs: int = 1,
        **_: Any,
    ) -> None:
        super().__init__(n_species, max(channels // 2, 1), outputs)
        self.cutoff = cutoff
        centres = torch.linspace(0.0, cutoff, n_radial, dtype=torch.float64)
        self.register_buffer("centres", centres, persistent=False)
        self.width = float(centres[1] - centres[0])
        self.embedding = nn.Embedding(n_species, channels)
        self.layers = nn.ModuleList(Interaction(channels, n_radial) for _ in range(layers))
        self.hidden = nn.Sequential(nn.Linear(channels, self.last.in_features), ShiftedSoftplus())

    def describe(self, species: Tensor, edges: Edges, distances: Tensor, unit: Tensor) -> Tensor:
        gaussians = torch.exp(-0.5 * ((distances[:, None] - self.centres.to(distances)) / self.width).square())
        ends = 0.5 * (1 + torch.cos(distances.clamp(max=self.cutoff) * (math.pi / self.cutoff)))[:, None]
        x = self.embedding(species)
        for layer in self.layers:
            x = x + layer(x, edges, gaussians, ends)
        return self.hidden(x)


class Interaction(nn.Module):
    """Messages from all neighbours, filtered by distance, and a network of their sum."""

    def __init__(self, channels: int, n_radial: int) -> None:
        super().__init__()
        self.filters = nn.Sequential(nn.Linear(n_radial, channels), ShiftedSoftplus(), nn.Linear(channels, channels))
        self.before = nn.Linear(channels, channels, bias=False)
        self.after = nn.Sequential(nn.Linear(channels, channels), ShiftedSoftplus(), nn.Linear(channels, channels))

    def forward(self, x: Tensor, edges: Edges, gaussians: Tensor, ends: Tensor) -> Tensor:
        filters = (self.filters(gaussians) * ends).index_select(0, edges.pair)
        messages = self.before(x).index_select(0, edges.j) * filters
        return self.after(torch.zeros_like(x).index_add(0, edges.i, messages))


class ShiftedSoftplus(nn.Module):
    """log(1 + exp(x)) - log 2, which is 0 at 0."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.softplus(x) - math.log(2.0)
