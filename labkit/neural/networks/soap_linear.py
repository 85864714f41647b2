"""Energies linear in SOAP power spectra: the baseline that a network has to beat."""

from __future__ import annotations

from typing import Any

import torch
from sphericart.torch import SphericalHarmonics
from torch import Tensor

from labkit.descriptors.radial import RadialBasis, smooth_cutoff
from labkit.neural.networks.forms import Edges
from labkit.neural.networks.network import Network, network

L_MAX = 4
SMEARED = 0.4  # Å, width of a neighbour's Gaussian
WIDTH = 1.0  # Å, over which neighbours fade at the cutoff


@network("soap-linear")
class SoapLinear(Network):
    """ε_i = Σ w_s(i) · p_i, with p_lαβ = Σ_m c_αlm c_βlm / (2l + 1)^½ of the neighbour density of each species.

    Only `cutoff` and `n_radial` (4 to 12 in GAPs) are used; the spectra are not normalised.

    Source: Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013).
    """

    def __init__(self, n_species: int, *, cutoff: float = 5.0, n_radial: int = 8, outputs: int = 1, **_: Any) -> None:
        channels = n_species * n_radial
        first, second = torch.triu_indices(channels, channels).unbind()
        super().__init__(n_species, n_species * (L_MAX + 1) * len(first), outputs)
        self.cutoff, self.n_radial = cutoff, n_radial
        self.radial = RadialBasis(n_radial, L_MAX, cutoff, SMEARED, WIDTH)
        self.harmonics = SphericalHarmonics(L_MAX)
        self.register_buffer("upper", first * channels + second, persistent=False)
        self.register_buffer("weight", torch.where(first == second, 1.0, 2.0**0.5).double(), persistent=False)

    def describe(self, species: Tensor, edges: Edges, distances: Tensor, unit: Tensor) -> Tensor:
        fade = smooth_cutoff(distances, self.cutoff, WIDTH)[:, None, None]
        radial = (self.radial(distances) * fade).index_select(0, edges.pair)
        angular = self.harmonics(unit.double() if unit.device.type == "cuda" else unit)
        slots = edges.i * self.n_species + species.index_select(0, edges.j)
        spectra = []
        for l in range(L_MAX + 1):
            outer = radial[:, l, :, None] * angular[:, None, l * l : (l + 1) ** 2]
            c = outer.new_zeros(len(species) * self.n_species, *outer.shape[1:]).index_add(0, slots, outer)
            c = c.view(len(species), -1, 2 * l + 1)
            power = (c @ c.mT).flatten(1).index_select(1, self.upper)
            spectra.append(power * self.weight.to(power.dtype) * (2 * l + 1) ** -0.5)
        power = torch.cat(spectra, 1)
        own = torch.nn.functional.one_hot(species, self.n_species).to(power.dtype)
        return (own[:, :, None] * power[:, None, :]).flatten(1)
