"""The pair part of a GAP: distance_2b, a function of the distances of each pair of species."""

from __future__ import annotations

from itertools import combinations_with_replacement

import torch
from torch import Tensor, nn

from labkit.base import Neighbours, System
from labkit.descriptors.radial import cutoff_and_slope, smooth_cutoff
from labkit.gap.config import Distance2b
from labkit.gap.rows import VOIGT, Rows

#: gap_fit's sum over pairs meets each of them twice, so that its delta is the size of half a pair's energy
ORDERED = 2.0

#: weights (M,) by pair of species
Prepared = dict[tuple[int, int], Tensor]


class Distance2bTerm(nn.Module):
    """E = Σ_pairs Σ_m c_m k(r, r_m), k = δ² f_c(r) exp(-(r - r_m)²/2θ²), with separate c_m for each pair of species.

    `points[pair]` (M,) Å are distances spread evenly over those that occur. Half a pair's energy belongs to each atom.
    """

    def __init__(self, two_body: Distance2b, species: list[int]) -> None:
        super().__init__()
        self.two_body, self.cutoff = two_body, two_body.cutoff
        every = list(combinations_with_replacement(sorted(species), 2))
        self.pairs = [pair for pair in every if two_body.pair in (None, pair)]
        for a, b in self.pairs:
            self.register_buffer(f"points_{a}_{b}", torch.empty(0, dtype=torch.float64))
        theta = torch.full((len(self.pairs),), two_body.theta_uniform or 1.0, dtype=torch.float64)  # 1: of unseen pairs
        self.register_buffer("theta", theta)

    def points(self, pair: tuple[int, int]) -> Tensor:
        return getattr(self, f"points_{pair[0]}_{pair[1]}")

    def set_points(self, pair: tuple[int, int], points: Tensor, width: float) -> None:
        """Set the sparse points (M,) Å; if the settings leave θ open it becomes `width`, the range of the distances."""
        setattr(self, f"points_{pair[0]}_{pair[1]}", points)
        if self.two_body.theta_uniform is None:
            self.theta[self.pairs.index(pair)] = width

    @property
    def columns(self) -> int:
        return sum(len(self.points(pair)) for pair in self.pairs)

    def slices(self) -> dict[tuple[int, int], slice]:
        out, start = {}, 0
        for pair in self.pairs:
            if len(self.points(pair)):  # a pair of species that never came close has none
                out[pair] = slice(start, start + len(self.points(pair)))
                start = out[pair].stop
        return out

    def prior(self) -> Tensor:
        """Covariance that makes the prior of the weights its inverse, (M, M) eV²."""
        blocks = (self._gauss(pair, p, p) for pair in self.slices() for p in [self.points(pair)])
        return torch.block_diag(*blocks) / ORDERED**2

    def distances(
        self, system: System, near: Neighbours, vectors: Tensor, pair: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Which neighbours are this pair of species (each pair occurs twice), and their distances."""
        z = system.numbers
        low, high = torch.minimum(z[near.i], z[near.j]), torch.maximum(z[near.i], z[near.j])
        mine = torch.nonzero((low == pair[0]) & (high == pair[1])).squeeze(1)
        return mine, vectors[mine].norm(dim=1)

    def atomic_energies(
        self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours, prepared: Prepared
    ) -> Tensor:
        """Half of the energies of an atom's pairs, (n,) eV; differentiable."""
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        energies = vectors.new_zeros(system.n_atoms)
        for pair, weights in prepared.items():
            mine, r = self.distances(system, near, vectors, pair)
            energies = energies.index_add(0, near.i[mine], 0.5 * (self.kernel(pair, r, self.points(pair)) @ weights))
        return energies

    def prepare(self, weights: Tensor) -> Prepared:
        """Weights (M,) by pair of species."""
        return {pair: weights[columns] for pair, columns in self.slices().items()}

    def atomic_rows(
        self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours
    ) -> tuple[Tensor, Tensor]:
        """Half-sums of k over an atom's pairs, (n, M) eV², and the same over a grid so fine that it is complete."""
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        rows = positions.new_zeros(system.n_atoms, self.columns)
        features = []
        for pair, columns in self.slices().items():
            mine, r = self.distances(system, near, vectors, pair)
            rows[:, columns] = rows[:, columns].index_add(
                0, near.i[mine], 0.5 * self.kernel(pair, r, self.points(pair))
            )
            grid, root = self._grid(pair, rows)
            complete = torch.linalg.solve_triangular(root, 0.5 * self.kernel(pair, r, grid).mT, upper=False).mT
            features.append(rows.new_zeros(system.n_atoms, len(grid)).index_add(0, near.i[mine], complete))
        return rows, torch.cat([rows.new_zeros(system.n_atoms, 0), *features], 1)

    def prior_variance(self, system: System, features: Tensor) -> tuple[Tensor, Tensor]:
        """Prior variances of the pair energies of atoms (n,) and of systems (S,), eV²."""
        features = ORDERED * features
        return features.square().sum(1), system.sum_over_atoms(features).square().sum(1)

    def force_prior_variance(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        """Prior variances of the components of forces (n, 3), (eV/Å)², of the same complete grid."""
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        found = positions.new_zeros(system.n_atoms, 3)
        for pair in self.slices():
            mine, r = self.distances(system, near, vectors, pair)
            grid, root = self._grid(pair, r)
            slopes = torch.linalg.solve_triangular(root, self._slope(pair, r, grid).mT, upper=False).mT
            change = 0.5 * ORDERED * (vectors[mine] / r[:, None])[..., None] * slopes[:, None]
            forces = change.new_zeros(system.n_atoms, *change.shape[1:])
            forces.index_add_(0, near.i[mine], change).index_add_(0, near.j[mine], change, alpha=-1)
            found += forces.square().sum(2)
        return found

    def rows(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours, virials: bool) -> Rows:
        """Rows of energies, forces and strain derivatives of a batch."""
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        out = Rows.zeros(system, self.columns, virials, positions)
        for pair, columns in self.slices().items():
            mine, r = self.distances(system, near, vectors, pair)
            i, j, direction = near.i[mine], near.j[mine], vectors[mine] / r[:, None]
            derivative = self._slope(pair, r, self.points(pair))
            out.energy[:, columns].index_add_(0, near.index[mine], 0.5 * self.kernel(pair, r, self.points(pair)))
            # every pair occurs twice, so half of each; the force acts on both atoms
            out.add_force(j, i, columns, 0.5 * direction[..., None] * derivative[:, None])
            if virials:
                outer = direction[:, VOIGT[0]] * vectors[mine][:, VOIGT[1]]
                out.virial[:, :, columns].index_add_(0, near.index[mine], 0.5 * outer[..., None] * derivative[:, None])
        return out

    def kernel(self, pair: tuple[int, int], r: Tensor, points: Tensor) -> Tensor:
        """k between distances r (P,) and points (M,), (P, M) eV²."""
        fade = smooth_cutoff(r, self.cutoff, self.two_body.cutoff_transition_width)
        return fade[:, None] * self._gauss(pair, r, points)

    def _slope(self, pair: tuple[int, int], r: Tensor, points: Tensor) -> Tensor:
        """dk/dr (P, M) in eV²/Å."""
        fade, slope = cutoff_and_slope(r, self.cutoff, self.two_body.cutoff_transition_width)
        change = (points - r[:, None]) / self._theta(pair) ** 2
        return self._gauss(pair, r, points) * (slope[:, None] + fade[:, None] * change)

    def _grid(self, pair: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (G,) so dense that they fix the whole function, and the lower factor of their covariance."""
        grid = torch.arange(0.0, self.cutoff + 1e-9, 0.4 * float(self._theta(pair))).to(like)
        jitter = 1e-10 * self.two_body.delta**2 * torch.eye(len(grid), dtype=like.dtype, device=like.device)
        return grid, torch.linalg.cholesky(self._gauss(pair, grid, grid) + jitter)

    def _theta(self, pair: tuple[int, int]) -> Tensor:
        return self.theta[self.pairs.index(pair)]

    def _gauss(self, pair: tuple[int, int], r: Tensor, points: Tensor) -> Tensor:
        x = (r[:, None] - points) / self._theta(pair)
        return self.two_body.delta**2 * torch.exp(-0.5 * x**2)
