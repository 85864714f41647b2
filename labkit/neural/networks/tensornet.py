"""TensorNet: an equivariant network whose features are 3×3 matrices."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labkit.neural.networks.basis import ExponentialBasis, edge_tensors
from labkit.neural.networks.forms import PART, PRODUCTS, Edges
from labkit.neural.networks.network import Network, Pullback, network
from labkit.neural.networks.tensornet_pullback import tensornet_pullback
from labkit.neural.networks.trilinear import Trilinear


@network("tensornet")
class TensorNet(Network):
    """Energies of atoms from matrices X_i in C channels, which rotate with the atoms: R X Rᵀ.

    X_i = Σ_j f(r_ij) (1, [u_ij]×, u_ij u_ij - 1/3), mixed over channels; each layer adds Y + Y², where
    Y = M X + X M with messages M_i = Σ_j f(r_ij) X_j; f differs for the scalar, antisymmetric and symmetric parts.
    The energy is a function of the norms of the three parts. Inversion transposes all matrices, and M X + X M with
    them, and leaves the norms as they are: mirror images have the same energy. With Y = 2 X M (`mirror=False`) they
    may differ. Radial functions are linear in a basis: a network of distances costs several times as much and was no
    better in the same time.

    Source: Simeon and De Fabritiis, NeurIPS 36 (2023), arXiv:2306.06482.
    """

    def __init__(
        self,
        n_species: int,
        *,
        channels: int = 64,
        layers: int = 1,
        cutoff: float = 5.0,
        n_radial: int = 16,
        mirror: bool = True,
        outputs: int = 1,
    ) -> None:
        super().__init__(n_species, max(channels // 2, 1), outputs)
        self.channels = channels
        self.basis = ExponentialBasis(n_radial, cutoff)
        self.of_pair = nn.Parameter(torch.randn(n_species, n_species, channels))
        self.of_atom = nn.Parameter(1 + 0.5 * torch.randn(n_species, channels))
        self.radial = nn.Linear(n_radial, 3 * channels, bias=False)
        self.norm = nn.LayerNorm(channels)
        self.gate = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.SiLU(), nn.Linear(2 * channels, 3 * channels), nn.SiLU()
        )
        self.mix = Mix(channels)
        self.layers = nn.ModuleList(Layer(channels, n_radial, PRODUCTS[mirror]) for _ in range(layers))
        self.out_norm = nn.LayerNorm(3 * channels)
        self.hidden = nn.Sequential(
            nn.Linear(3 * channels, channels), nn.SiLU(), nn.Linear(channels, self.last.in_features), nn.SiLU()
        )

    def describe(self, species: Tensor, edges: Edges, distances: Tensor, unit: Tensor) -> Tensor:
        basis, y = self.basis(distances), edge_tensors(unit)
        weights = self.of_pair.flatten(0, 1).index_select(0, edges.kinds(species, self.n_species))
        radial = self.radial(basis).view(-1, 3, self.channels) * weights[:, None]
        x = edges.embedding.partial(2, radial, y) * self.of_atom.index_select(0, species)
        gates = self.gate(self.norm(x.square().sum(0))).view(-1, 3, self.channels)
        x = self.mix(x) * gates.transpose(0, 1).index_select(0, PART.to(x.device))
        for layer in self.layers:
            x = layer(x, edges, basis)
        squares = torch.stack([x[0].square(), x[1:4].square().sum(0), x[4:].square().sum(0)], 1)
        return self.hidden(self.out_norm(squares.flatten(1)))

    def pullback(self, species: Tensor, edges: Edges, distances: Tensor, unit: Tensor) -> tuple[Tensor, Pullback]:
        kinds = self.n_species
        every = torch.cat([species, torch.arange(kinds, device=species.device)])
        with torch.no_grad():
            found, back = tensornet_pullback(self, every, edges.with_more_atoms(kinds), distances, unit)

        @torch.no_grad()
        def pulled(g: Tensor) -> tuple[Tensor, Tensor]:
            return back(torch.cat([g, g.new_zeros(len(g), kinds, g.shape[2])], 1))  # isolated atoms feel nothing

        return found[:-kinds] - found[-kinds:].index_select(0, species), pulled


class Layer(nn.Module):
    """X -> X + Y + Y²."""

    def __init__(self, channels: int, n_radial: int, product: Trilinear) -> None:
        super().__init__()
        self.product = product
        self.radial = nn.Linear(n_radial, 3 * channels, bias=False)
        self.first, self.second = Mix(channels), Mix(channels)

    def forward(self, x: Tensor, edges: Edges, basis: Tensor) -> Tensor:
        x = x / (1 + x.square().sum(0))
        y = self.first(x)
        messages = edges.messages.partial(2, self.radial(basis).view(len(basis), 3, x.shape[2]), y)
        y = self.product.partial(2, y, messages)
        y = self.second(y / (1 + y.square().sum(0)))
        return x + y + 0.5 * self.product.partial(2, y, y)


class Mix(nn.Module):
    """Linear combinations of channels, separate for each part."""

    matrices = True  # the weight is a stack of them

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, channels, channels) / channels**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return torch.bmm(x, self.weight.index_select(0, PART.to(x.device)))
