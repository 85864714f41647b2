"""Every uncertainty with a potential that has it; a new kind is a line in CASES."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from labkit.active import CommitteeSpread, GpVariance, Uncertainty
from labkit.base import Committee, Neighbours, Potential, System
from labkit.gap import Design, GapModel


class Pair(Potential):
    """Σ over pairs of ε (1 - r/cutoff)³ (1 + z_i z_j/64), with ε a parameter."""

    def __init__(self, epsilon: float = 1.0, cutoff: float = 3.0) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.epsilon = nn.Parameter(torch.tensor(epsilon, dtype=torch.float64))

    def atomic_energies(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        near, vectors = neighbours.within(self.cutoff, positions, cell)
        charge = 1 + (system.numbers[near.i] * system.numbers[near.j]).to(positions.dtype) / 64
        energy = 0.5 * self.epsilon * charge * (1 - vectors.norm(dim=1) / self.cutoff) ** 3
        return energy.new_zeros(system.n_atoms).index_add(0, near.i, energy)


def pairs() -> Committee:
    return Committee([Pair(1.0), Pair(1.2, 2.8), Pair(0.9, 3.2)])


def gap(design: Design) -> GapModel:
    return design.solve(sigma_energy=0.001, sigma_force=0.05)


def _committee(design: Design) -> tuple[Potential, Uncertainty]:
    potential = pairs()
    return potential, CommitteeSpread(potential)


def _committee_energies(design: Design) -> tuple[Potential, Uncertainty]:
    potential = pairs()
    return potential, CommitteeSpread(potential, per_atom="energies")


def _committees_in_a_sum(design: Design) -> tuple[Potential, Uncertainty]:
    potential = pairs() + Pair() + Committee([Pair(0.3), Pair(0.4)])
    return potential, CommitteeSpread(potential)


def _gp(design: Design) -> tuple[Potential, Uncertainty]:
    potential = gap(design)
    return potential, GpVariance(potential)


def _gps_in_a_sum(design: Design) -> tuple[Potential, Uncertainty]:
    potential = gap(design) + Pair() + design.solve(sigma_force=0.5)
    return potential, GpVariance(potential)


CASES: dict[str, Callable[[Design], tuple[Potential, Uncertainty]]] = {
    "committee": _committee,
    "committee, energies of atoms": _committee_energies,
    "committees in a sum": _committees_in_a_sum,
    "GP variance": _gp,
    "GP variances in a sum": _gps_in_a_sum,
}
