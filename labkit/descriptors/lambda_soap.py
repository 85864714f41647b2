"""lambda-SOAP: products of two neighbour densities, as a tensor that rotates with the environment."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from labkit.base import Neighbours, System
from labkit.descriptors.angular import clebsch_gordan
from labkit.descriptors.expansion import DensityExpansion
from labkit.errors import LabkitError


class LambdaSoap(nn.Module):
    """p_i,λμ,(l1 α l2 β) = Σ_m1m2 C(l1 m1 l2 m2 | λμ) c_i,l1αm1 c_i,l2βm2, of the density expansion that SOAP uses.

    Products that differ by exchange are kept once, times sqrt 2, so that dot products are those of the full array.
    λ = 0 is the SOAP power spectrum of GAP, feature by feature, before it is normalised: the c_l of the expansion
    have a factor (2l+1)^(-1/4) each, which is removed here, and C(l l | 0) contributes 1/sqrt(2l+1).

    degree      λ
    parity      1 keeps l1 + l2 + λ even: tensors, which change sign with (-1)^λ on inversion; -1 keeps it odd:
                pseudotensors, such as the antisymmetric part of a rank-2 tensor (λ = 1)
    features    the ones to compute, ascending, out of `n_all`; None: all

    Source: Grisafi, Wilkins, Csányi, Ceriotti, Phys. Rev. Lett. 120, 036002 (2018).

    >>> from ase.build import molecule
    >>> from labkit.base import State, find_neighbours
    >>> quadrupole = LambdaSoap(DensityExpansion([1, 8], n_max=4, l_max=2, cutoff=3.0, atom_sigma=0.4), degree=2)
    >>> state = State.from_atoms(molecule("H2O"))
    >>> near = find_neighbours(state.system, state.positions, state.cell, 3.0)
    >>> tuple(quadrupole(state.system, state.positions, state.cell, near).shape) == (3, 5, quadrupole.n_features)
    True
    """

    def __init__(
        self, expansion: DensityExpansion, degree: int, parity: int = 1, features: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        self.expansion, self.degree, self.parity = expansion, degree, parity
        channels = expansion.channels
        upper = torch.triu_indices(channels, channels, 0 if parity == 1 else 1)
        square = torch.cartesian_prod(torch.arange(channels), torch.arange(channels)).mT
        products = [(pair, upper if pair[0] == pair[1] else square) for pair in self._pairs()]
        self.n_all = sum(both.shape[1] for _, both in products)
        keep = torch.arange(self.n_all) if features is None else torch.as_tensor(features, dtype=torch.int64)
        if len(keep) and not (int(keep[0]) >= 0 and bool((keep.diff() > 0).all()) and int(keep[-1]) < self.n_all):
            raise LabkitError(f"features of lambda = {degree}: expected ascending numbers from 0 to {self.n_all - 1}")
        self.register_buffer("features", keep)
        self._blocks: list[tuple[int, int, int]] = []
        start = 0
        for (l1, l2), (first, second) in products:
            mine = keep[(keep >= start) & (keep < start + len(first))] - start
            start += len(first)
            if not len(mine):
                continue
            k = len(self._blocks)
            self._blocks.append((k, l1, l2))
            first, second = first[mine], second[mine]
            single = (first == second) if l1 == l2 else torch.zeros_like(first, dtype=torch.bool)
            coupling = torch.tensor(clebsch_gordan(l1, l2, degree)) * ((2 * l1 + 1) * (2 * l2 + 1)) ** 0.25
            mu = torch.arange(2 * degree + 1)[:, None]
            place = (first * len(mu) + mu) * channels + second  # of (α, μ, β)
            self.register_buffer(f"_coupling{k}", coupling.transpose(1, 2).flatten(1), persistent=False)
            self.register_buffer(f"_place{k}", place.flatten(), persistent=False)
            self.register_buffer(f"_weight{k}", torch.where(single, 1.0, 2.0**0.5).double(), persistent=False)

    @property
    def n_features(self) -> int:
        return len(self.features)

    def only(self, features: Sequence[int]) -> LambdaSoap:
        """The same descriptor with these features only (indices from 0 to n_all - 1, ascending)."""
        return LambdaSoap(self.expansion, self.degree, self.parity, features)

    def forward(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        """p (n, 2λ+1, features), μ from -λ to λ, differentiable; not normalised."""
        return self.coupled(self.expansion(system, positions, cell, neighbours))

    def coupled(self, coefficients: Tensor) -> Tensor:
        """p (n, 2λ+1, features) of the coefficients (n, l_max+1, channels, 2 l_max+1) of the expansion."""
        atoms, mu = len(coefficients), 2 * self.degree + 1
        parts = []
        for k, l1, l2 in self._blocks:
            first = coefficients[:, l1, :, : 2 * l1 + 1]
            second = coefficients[:, l2, :, : 2 * l2 + 1]
            turned = (first @ getattr(self, f"_coupling{k}")).view(atoms, -1, 2 * l2 + 1)  # (n, α μ, m2)
            product = (turned @ second.mT).flatten(1).index_select(1, getattr(self, f"_place{k}"))
            parts.append(product.view(atoms, mu, -1).mul_(getattr(self, f"_weight{k}")))
        return torch.cat(parts, 2) if parts else coefficients.new_zeros(atoms, mu, 0)

    def _pairs(self) -> list[tuple[int, int]]:
        """l1 ≤ l2 that couple to λ with this parity."""
        degrees = range(self.expansion.l_max + 1)
        odd = 0 if self.parity == 1 else 1
        return [
            (l1, l2)
            for l1 in degrees
            for l2 in degrees[l1:]
            if l2 - l1 <= self.degree <= l1 + l2 and (l1 + l2 + self.degree) % 2 == odd
        ]
