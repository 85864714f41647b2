"""The density expansion common to SOAP and lambda-SOAP: c_i,anlm of the smeared neighbours of species a."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase.data import chemical_symbols
from sphericart.torch import SphericalHarmonics
from torch import Tensor, nn

from labkit.base import Neighbours, System
from labkit.descriptors.limits import check_expansion
from labkit.descriptors.radial import RadialBasis, cutoff_and_slope, smooth_cutoff


class DensityExpansion(nn.Module):
    """c_i,l,an,m = Σ_j∈a f_c(r_ij) I_nl(r_ij) Y_lm(r̂_ij), the density around each atom in radial and angular functions.

    The atom itself adds central_weight·I_n0(0) Y_00 to its own species. Each c_l is divided by (2l+1)^(1/4), so that a
    power spectrum comes out with GAP's 1/sqrt(2l+1).

    `species` are the atomic numbers that the channels stand for; lengths in Å. Coefficients have shape
    (n, l_max+1, channels, 2 l_max+1), channels = species × n_max, with zeros where m goes beyond l.

    >>> from ase.build import molecule
    >>> from labkit.base import State, find_neighbours
    >>> state = State.from_atoms(molecule("H2O"))
    >>> near = find_neighbours(state.system, state.positions, state.cell, 3.0)
    >>> expand = DensityExpansion([1, 8], n_max=4, l_max=2, cutoff=3.0, atom_sigma=0.4)
    >>> tuple(expand(state.system, state.positions, state.cell, near).shape)
    (3, 3, 8, 5)
    """

    def __init__(
        self,
        species: Sequence[int],
        *,
        n_max: int,
        l_max: int,
        cutoff: float,
        atom_sigma: float,
        cutoff_transition_width: float = 0.5,
        central_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_expansion(n_max, l_max, cutoff, atom_sigma, cutoff_transition_width, len(species))
        self.species, self.cutoff, self.width = tuple(sorted(species)), cutoff, cutoff_transition_width
        self.n_max, self.l_max, self.central_weight = n_max, l_max, central_weight
        self.radial = RadialBasis(n_max, l_max, cutoff, atom_sigma, cutoff_transition_width)
        self.harmonics = SphericalHarmonics(l_max)
        channel = torch.full((len(chemical_symbols),), -1)
        channel[list(self.species)] = torch.arange(len(self.species))
        self.register_buffer("channel_of", channel, persistent=False)
        lm = torch.full((l_max + 1, 2 * l_max + 1), (l_max + 1) ** 2)  # the last column is a zero
        for l in range(l_max + 1):
            lm[l, : 2 * l + 1] = torch.arange(l * l, (l + 1) ** 2)
        self.register_buffer("_lm", lm.flatten(), persistent=False)
        kinds = len(self.species)
        own = torch.zeros(kinds, l_max + 1, kinds, n_max, 2 * l_max + 1, dtype=torch.float64)
        own[torch.arange(kinds), 0, torch.arange(kinds), :, 0] = (
            self.radial.at_centre() * central_weight / (4 * torch.pi) ** 0.5
        )
        self.register_buffer("_own", own.flatten(2, 3), persistent=False)
        scale = (2 * torch.arange(l_max + 1, dtype=torch.float64) + 1) ** -0.25
        self.radial.table.mul_(scale.repeat_interleave(n_max))

    @property
    def channels(self) -> int:
        return len(self.species) * self.n_max

    def forward(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        """Coefficients of all atoms, (n, l_max+1, channels, 2 l_max+1), differentiable."""
        system.check_species(self.species)
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        distance = vectors.norm(dim=1)
        fade = smooth_cutoff(distance, self.cutoff, self.width)
        radial = self.radial(distance) * fade[:, None, None]
        return self.gather(system, near, radial, self._padded(self.harmonics(vectors)))

    def gather(self, system: System, near: Neighbours, radial: Tensor, angular: Tensor) -> Tensor:
        """Σ_j radial (P, l, n) × angular (P, l, m) into the channels of the centres, with the centres' contribution.

        The pairs of a centre and species are grouped, so that they become one padded matrix product instead of an
        outer product per pair, which would take n_max times the memory.
        """
        atoms, degrees, width = system.n_atoms, self.l_max + 1, 2 * self.l_max + 1
        radial, angular = self.by_centre(system, near, radial, angular)
        density = torch.einsum("iakln,iaklm->ilanm", radial, angular)
        own = self._own.index_select(0, self.channel_of[system.numbers])
        return density.reshape(atoms, degrees, self.channels, width) + own

    def by_centre(self, system: System, near: Neighbours, *values: Tensor) -> list[Tensor]:
        """Values of pairs (P, ...) as (n, species, k, ...): the k-th neighbour of each species, or zeros."""
        slots = system.n_atoms * len(self.species)
        slot = near.i * len(self.species) + self.channel_of[system.numbers[near.j]]
        counts = torch.bincount(slot, minlength=slots)
        longest = int(counts.max())
        place = torch.arange(len(slot), device=slot.device) + (slot * longest - (counts.cumsum(0) - counts)[slot])
        shape = (system.n_atoms, len(self.species), longest)
        return [
            v.new_zeros(slots * longest, *v.shape[1:]).index_copy(0, place, v).view(*shape, *v.shape[1:])
            for v in values
        ]

    def pair_derivatives(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Radial (P, l, n) and angular (P, l, m) parts, and their product's derivatives (P, 3, l, n, m) in 1/Å."""
        distance = vectors.norm(dim=1)
        direction = vectors / distance[:, None]
        fade, slope = cutoff_and_slope(distance, self.cutoff, self.width)
        fade = fade[:, None, None]
        radial, radial_slope = self.radial.with_derivative(distance)
        radial_slope = radial_slope * fade + radial * slope[:, None, None]
        radial = radial * fade
        angular, angular_slope = self.harmonics.compute_with_gradients(vectors)
        angular = self._padded(angular)
        angular_slope = self._padded(angular_slope.flatten(0, 1)).unflatten(0, (-1, 3))
        slope = (direction[:, :, None, None] * radial_slope[:, None])[..., None] * angular[:, None, :, None]
        slope.addcmul_(radial[:, None, ..., None], angular_slope[:, :, :, None])
        return radial, angular, slope

    def _padded(self, harmonics: Tensor) -> Tensor:
        shape = (-1, self.l_max + 1, 2 * self.l_max + 1)
        return nn.functional.pad(harmonics, (0, 1)).index_select(1, self._lm).view(shape)
