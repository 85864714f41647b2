"""The normalised SOAP power spectrum, which compares environments regardless of their orientation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labkit.base import Neighbours, System
from labkit.descriptors.expansion import DensityExpansion


class SoapPowerSpectrum(nn.Module):
    """p_i,l,αβ = Σ_m c_i,lαm c_i,lβm / sqrt(2l+1), with α ≤ β pairs of (species, n), normalised to |p_i| = 1.

    α < β is kept once, times sqrt 2, so that dot products are those of the full array.
    Source: Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013).

    >>> from ase.build import molecule
    >>> from labkit.base import State, find_neighbours
    >>> soap = SoapPowerSpectrum(DensityExpansion([1, 8], n_max=4, l_max=2, cutoff=3.0, atom_sigma=0.4))
    >>> state = State.from_atoms(molecule("H2O"))
    >>> near = find_neighbours(state.system, state.positions, state.cell, 3.0)
    >>> tuple(soap(state.system, state.positions, state.cell, near).shape) == (3, soap.n_features)
    True
    """

    def __init__(self, expansion: DensityExpansion) -> None:
        super().__init__()
        self.expansion = expansion
        first, second = torch.triu_indices(expansion.channels, expansion.channels).unbind()
        size = expansion.channels**2
        within = first * expansion.channels + second
        place = torch.cat([l * size + within for l in range(expansion.l_max + 1)])
        weight = torch.where(first == second, 1.0, 2.0**0.5).to(torch.float64)
        self.register_buffer("_place", place, persistent=False)
        self.register_buffer("_weight", weight.repeat(expansion.l_max + 1), persistent=False)

    @property
    def n_features(self) -> int:
        return len(self._place)

    def forward(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        """Normalised power spectra (n, features), differentiable."""
        return self.normalised(self.expansion(system, positions, cell, neighbours))[0]

    def normalised(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Power spectra (n, features) of length 1 and the lengths (n,) they had."""
        full = (coefficients @ coefficients.mT).flatten(1)
        power = full.index_select(1, self._place) * self._weight
        length = power.norm(dim=1)
        length = torch.where(length > 0, length, 1.0)  # an atom without a density has a kernel of zero
        return power / length[:, None], length

    def change(self, coefficients: Tensor, changes: Tensor, power: Tensor, length: Tensor) -> Tensor:
        """Derivatives (n, x, features) of normalised power spectra for changes (n, x, l, channels, m) of coefficients.

        power, length   those of `normalised`
        """
        half = changes @ coefficients.mT[:, None]
        full = (half + half.mT).flatten(2).index_select(2, self._place) * self._weight
        full = full / length[:, None, None]
        return full - (full * power[:, None]).sum(2, keepdim=True) * power[:, None]

    def unpack(self, power: Tensor) -> Tensor:
        """(..., features) as the full symmetric (..., l, α, β), with the same dot products."""
        channels = self.expansion.channels
        shape = (*power.shape[:-1], (self.expansion.l_max + 1) * channels**2)
        upper = power.new_zeros(shape).index_copy(-1, self._place, power / self._weight)
        upper = upper.view(*power.shape[:-1], self.expansion.l_max + 1, channels, channels)
        return upper + upper.mT - torch.diag_embed(torch.diagonal(upper, dim1=-2, dim2=-1))
