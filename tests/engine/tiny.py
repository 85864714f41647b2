"""Tiny potentials and systems whose answers are known, written for batches of thousands."""

from __future__ import annotations

import math

import torch
from ase import Atoms
from torch import Tensor, nn

from labkit.base import Neighbours, Potential, State, System
from labkit.engine import Constraints

OH, HH = 0.9572, 2 * 0.9572 * math.sin(math.radians(104.52) / 2)


class Lonely(Potential):
    """No neighbours; nothing acts."""

    cutoff = 1.0

    def neighbours(self, state: State) -> Neighbours:
        none = state.system.index.new_zeros(0)
        return Neighbours(none, none, none.view(0, 1).expand(0, 3), none)

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return positions.new_zeros(system.n_systems)


class Wells(Lonely):
    """½ k r² on each atom."""

    def __init__(self, k: float = 1.0) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.tensor(k, dtype=torch.float64), requires_grad=False)

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        return system.sum_over_atoms(0.5 * self.k * positions.square().sum(1))


class Springs(Lonely):
    """½ k (r - d)² between given atoms."""

    def __init__(self, pairs: Tensor, lengths: Tensor, k: float = 20.0) -> None:
        super().__init__()
        self.pairs, self.lengths = pairs, lengths
        self.k = nn.Parameter(torch.tensor(k, dtype=torch.float64), requires_grad=False)

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        a, b = self.pairs.T
        energy = 0.5 * self.k * ((positions[b] - positions[a]).norm(dim=1) - self.lengths) ** 2
        return energy.new_zeros(system.n_systems).index_add(0, system.index[a], energy)


class Breathing(Lonely):
    """E = ½ B (V - V₀)²/V₀ and nothing else: Gaussian volumes, but for V^N of the ideal part."""

    def __init__(self, bulk_modulus: float, volume: float) -> None:
        super().__init__()
        self.bulk, self.volume = bulk_modulus, volume

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        volume = torch.linalg.det(cell).abs()
        return 0.5 * self.bulk * (volume - self.volume) ** 2 / self.volume


class Pair(Potential):
    """Lennard-Jones, shifted in energy, as ase.calculators.lj writes it."""

    def __init__(self, epsilon: float = 0.0104, sigma: float = 3.4, cutoff: float = 12.0) -> None:
        super().__init__()
        self.cutoff, self.sigma, self.epsilon = cutoff, sigma, epsilon

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        c6 = (self.sigma**2 / vectors.square().sum(1)) ** 3
        shift = (self.sigma / self.cutoff) ** 6
        energy = 2 * self.epsilon * (c6**2 - c6 - shift**2 + shift)
        return energy.new_zeros(system.n_systems).index_add(0, near.index, energy)


def water() -> Atoms:
    angle = math.radians(104.52) / 2
    x, y = OH * math.sin(angle), OH * math.cos(angle)
    return Atoms("OH2", [[0, 0, 0], [x, y, 0], [-x, y, 0]])


def rigid_water() -> Constraints:
    return Constraints(torch.tensor([[0, 1], [0, 2], [1, 2]]), torch.tensor([OH, OH, HH], dtype=torch.float64))


def water_springs(k: float = 20.0, replicas: int = 1) -> Springs:
    bonds = rigid_water().repeat(replicas, 3)
    return Springs(bonds.atoms, bonds.distances, k)
