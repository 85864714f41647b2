"""The SOAP part of a GAP: sparse environments, their covariance, and rows of energies, forces and virials."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labkit.base import Neighbours, System
from labkit.descriptors import DensityExpansion, SoapPowerSpectrum
from labkit.gap.config import Soap
from labkit.gap.powers import raised
from labkit.gap.rows import VOIGT, Rows
from labkit.gap.soap_force_variance import soap_force_variance

#: by species: weights (M_z,), and the equivalent quadratic form (features, features), or None
Prepared = dict[int, tuple[Tensor, Tensor | None]]


class SoapTerm(nn.Module):
    """ε_i = Σ_m c_m k(p_i, p_m) over the sparse points of i's species, k = δ² (p̂·p̂')^ζ.

    The derivative of k with respect to a neighbour's position needs no derivative of p: with X the product of the
    derivative of the neighbour's channel with c_i, and s = p̂_i·p̂_m,
    dk/dr_j = ζ δ² s^(ζ-1) [2 X·p̂_m - (2 X·p̂_i) s]/|p_i|, which is one matrix product for all pairs and points.

    `points[z]` (M_z, features) are the sparse power spectra of species z; columns go species by species, ascending.
    """

    def __init__(self, soap: Soap, species: list[int]) -> None:
        super().__init__()
        self.soap = soap
        self.cutoff = soap.cutoff
        self.descriptor = SoapPowerSpectrum(
            DensityExpansion(
                species,
                n_max=soap.n_max,
                l_max=soap.l_max,
                cutoff=soap.cutoff,
                atom_sigma=soap.atom_sigma,
                cutoff_transition_width=soap.cutoff_transition_width,
                central_weight=soap.central_weight,
            )
        )
        self.centres = [z for z in sorted(species) if soap.centre in (None, z)]
        for z in self.centres:
            self.register_buffer(f"points_{z}", torch.empty(0, self.descriptor.n_features, dtype=torch.float64))

    def points(self, species: int) -> Tensor:
        return getattr(self, f"points_{species}")

    def set_points(self, species: int, points: Tensor) -> None:
        setattr(self, f"points_{species}", points.contiguous())

    @property
    def columns(self) -> int:
        return sum(len(self.points(z)) for z in self.centres)

    def slices(self) -> dict[int, slice]:
        """The columns of each species."""
        out, start = {}, 0
        for z in self.centres:
            out[z] = slice(start, start + len(self.points(z)))
            start = out[z].stop
        return out

    def kernel(self, a: Tensor, b: Tensor) -> Tensor:
        """k between power spectra a (A, F) and b (B, F), eV², (A, B)."""
        return self.soap.delta**2 * raised(a @ b.mT, self.soap.zeta)

    def prior(self) -> Tensor:
        """Covariance of the sparse points, block-diagonal in species, (M, M) eV²."""
        return torch.block_diag(*(self.kernel(self.points(z), self.points(z)) for z in self.centres))

    def atomic_energies(
        self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours, prepared: Prepared
    ) -> Tensor:
        """ε_i (n,) eV for weights from `prepare`; differentiable."""
        power = self.descriptor(system, positions, cell, neighbours)
        energies = power.new_zeros(system.n_atoms)
        for z, (weights, form) in prepared.items():
            if z in system.of_species:
                atoms = system.of_species[z]
                mine = power.index_select(0, atoms)
                if form is not None:
                    share = (mine @ form * mine).sum(1)
                else:
                    share = self.soap.delta**2 * (raised(mine @ self.points(z).mT, self.soap.zeta) @ weights)
                energies = energies.index_add(0, atoms, share)
        return energies

    def atomic_rows(
        self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours
    ) -> tuple[Tensor, Tensor]:
        """k between each atom and each sparse point, (n, M) eV², and the atoms' power spectra (n, F)."""
        power = self.descriptor(system, positions, cell, neighbours)
        rows = power.new_zeros(system.n_atoms, self.columns)
        for z, columns in self.slices().items():
            atoms = system.of_species.get(z)
            if atoms is not None:
                rows[atoms, columns] = self.kernel(power[atoms], self.points(z))
        return rows, power

    def prior_variance(self, system: System, power: Tensor) -> tuple[Tensor, Tensor]:
        """Prior variances k(i, i) of atoms (n,) and Σ_ij k(i, j) of systems (S,), eV²."""
        own, total = power.new_zeros(system.n_atoms), power.new_zeros(system.n_systems)
        for z in self.centres:
            atoms = system.of_species.get(z)
            if atoms is None:
                continue
            own[atoms] = self.soap.delta**2
            index = system.index[atoms]
            for part in torch.arange(len(atoms), device=atoms.device).split(1024):  # memory linear in atoms
                same = index[part][:, None] == index[None]
                sums = (self.kernel(power[atoms[part]], power[atoms]) * same).sum(1)
                total.index_add_(0, index[part], sums)
        return own, total

    def force_prior_variance(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        """Prior variances of the components of forces (n, 3), (eV/Å)²."""
        return soap_force_variance(self, system, positions, cell, neighbours)

    def rows(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours, virials: bool) -> Rows:
        """Rows of energies, forces and strain derivatives of a batch."""
        expansion = self.descriptor.expansion
        system.check_species(expansion.species)
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        radial, angular, slope = expansion.pair_derivatives(vectors)  # (P, l, n), (P, l, m), (P, 3, l, n, m)
        coefficients = expansion.gather(system, near, radial, angular)
        power, length = self.descriptor.normalised(coefficients)
        out = Rows.zeros(system, self.columns, virials, power)
        # images of one neighbour move together, and an atom's own images do not move relative to it
        apart = torch.nonzero(near.i != near.j).squeeze(1)
        keys, merged = torch.unique(near.i[apart] * system.n_atoms + near.j[apart], return_inverse=True)
        i, j = keys // system.n_atoms, keys % system.n_atoms
        moved = _sum_to(slope[apart], merged, len(keys))
        if virials:
            lever, change = expansion.by_centre(system, near, vectors, slope.flatten(2))
            tension = torch.einsum("iaky,iakxc->iayxc", lever, change)
            tension = 0.5 * (tension + tension.transpose(2, 3))[:, :, VOIGT[0], VOIGT[1]]
            tension = tension.unflatten(3, slope.shape[2:])
        for z, columns in self.slices().items():
            atoms = system.of_species.get(z)
            if atoms is None:
                continue
            similar = power[atoms] @ self.points(z).mT
            out.energy[:, columns] = system_sum(system, atoms, self.soap.delta**2 * raised(similar, self.soap.zeta))
            centre = _Centre(self, z, system, atoms, coefficients, power, length, similar)
            for a, kind in enumerate(expansion.species):
                pairs = torch.nonzero((system.numbers[i] == z) & (system.numbers[j] == kind)).squeeze(1)
                for part in pairs.split(2048) if len(pairs) else ():
                    gradient = centre.derivative(i[part], a, moved[part])  # dk/dr_j (pairs, 3, M)
                    out.add_force(j[part], i[part], columns, gradient)
                if virials:
                    change = centre.derivative(atoms, a, tension[atoms, a])  # (atoms, 6, M)
                    out.virial[:, :, columns] += system_sum(system, atoms, change)
        return out

    def prepare(self, weights: Tensor) -> Prepared:
        """Weights (M,) by species; for ζ = 2 also the quadratic form δ² Σ_m c_m p_m p_mᵀ where that is cheaper."""
        prepared: Prepared = {}
        for z, columns in self.slices().items():
            points, mine = self.points(z), weights[columns]
            cheaper = self.soap.zeta == 2 and points.shape[1] < len(points)
            prepared[z] = (mine, self.soap.delta**2 * (points.mT * mine) @ points if cheaper else None)
        return prepared


class _Centre:
    """What the derivatives of k around atoms of one species share."""

    def __init__(
        self,
        term: SoapTerm,
        z: int,
        system: System,
        atoms: Tensor,
        coefficients: Tensor,
        power: Tensor,
        length: Tensor,
        similar: Tensor,
    ) -> None:
        self.coefficients, self.length = coefficients, length
        self.n_max = term.descriptor.expansion.n_max
        self.points, self.power = term.descriptor.unpack(term.points(z)), term.descriptor.unpack(power[atoms])
        self.place = torch.zeros(system.n_atoms, dtype=torch.int64, device=atoms.device)
        self.place[atoms] = torch.arange(len(atoms), device=atoms.device)
        zeta = term.soap.zeta
        self.steep = 2 * zeta * term.soap.delta**2 * raised(similar, zeta - 1) / length[atoms][:, None]
        self.bent = self.steep * similar

    def derivative(self, centre: Tensor, channel: int, change: Tensor) -> Tensor:
        """dk for changes (u, x, l, n, m) of one channel of the centres (u,): (u, x, M)."""
        block = slice(channel * self.n_max, (channel + 1) * self.n_max)
        u, x, degrees, n, m = change.shape
        change = change.transpose(1, 2).reshape(u, degrees, x * n, m)
        product = (change @ self.coefficients[centre].mT).view(u, degrees, x, n, -1).transpose(1, 2).reshape(u, x, -1)
        at = self.place[centre]
        own = (product @ self.power[at][:, :, block].reshape(u, -1, 1)).squeeze(2)
        rows = (product.view(u * x, -1) @ self.points[:, :, block].flatten(1).mT).view(u, x, -1)
        return rows.mul_(self.steep[at][:, None]).sub_(own[..., None] * self.bent[at][:, None])


def _sum_to(values: Tensor, slot: Tensor, count: int) -> Tensor:
    return values.new_zeros(count, *values.shape[1:]).index_add(0, slot, values)


def system_sum(system: System, atoms: Tensor, values: Tensor) -> Tensor:
    """Sum values (len(atoms), ...) of some atoms over their systems, (S, ...)."""
    return _sum_to(values, system.index[atoms], system.n_systems)
