"""Every uncertainty with a potential that has it; a new kind is a line in CASES."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from labkit.active import (
    CommitteeSpread,
    DropoutSpread,
    EvidentialSpread,
    GpVariance,
    LastLayer,
    MahalanobisDistance,
    MeanVarianceSpread,
    NearestEnvironments,
    ShallowSpread,
    Uncertainty,
)
from labkit.base import Committee, Neighbours, Potential, System
from labkit.gap import Design, GapModel
from labkit.neural import NeuralPotential, WithPrior, Zbl, untrained


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


def _gp_forces(design: Design) -> tuple[Potential, Uncertainty]:
    potential = gap(design)
    return potential, GpVariance(potential, per_atom="forces")


def _gps_in_a_sum(design: Design) -> tuple[Potential, Uncertainty]:
    potential = gap(design) + Pair() + design.solve(sigma_force=0.5)
    return potential, GpVariance(potential)


def network(design: Design, **settings) -> NeuralPotential:
    """An untrained network, with weights that are not small, in double precision."""
    return untrained(design.train, **{"channels": 12, "cutoff": 3.5, "n_radial": 6} | settings).double()


def _ensemble(design: Design) -> tuple[Potential, Uncertainty]:
    potential = network(design, outputs=3)
    return potential, ShallowSpread(potential)


def _ensembles_in_a_sum(design: Design) -> tuple[Potential, Uncertainty]:
    potential = network(design, outputs=3) + Pair() + network(design, outputs=2, seed=1)
    return potential, ShallowSpread(potential, per_atom="energies")


def _dropout(design: Design) -> tuple[Potential, Uncertainty]:
    potential = network(design, head="dropout", dropout=0.3)
    return potential, DropoutSpread(potential, count=4)


def _evidential(design: Design) -> tuple[Potential, Uncertainty]:
    potential = network(design, head="evidential")
    return potential, EvidentialSpread(potential)


def _mean_variance(design: Design) -> tuple[Potential, Uncertainty]:
    potential = network(design, head="mean-variance")
    return potential, MeanVarianceSpread(potential)


def _last_layer(design: Design) -> tuple[Potential, Uncertainty]:
    potential = network(design)
    return potential, LastLayer(potential, design.train, count=3)


def _last_layer_beside_a_prior(design: Design) -> tuple[Potential, Uncertainty]:
    potential = WithPrior(Zbl(["H", "O"]), network(design, network="schnet", layers=1))
    return potential, LastLayer(potential, design.train, per_atom="energies")


def _nearest(design: Design) -> tuple[Potential, Uncertainty]:
    potential = network(design)
    return potential, NearestEnvironments(potential, design.train)


def _nearest_of_a_gap(design: Design) -> tuple[Potential, Uncertainty]:
    potential = Pair() + gap(design)
    return potential, NearestEnvironments(potential, design.train, k=1, most=20)


def _mahalanobis(design: Design) -> tuple[Potential, Uncertainty]:
    potential = network(design)
    return potential, MahalanobisDistance(potential, design.train)


def _mahalanobis_of_a_gap(design: Design) -> tuple[Potential, Uncertainty]:
    potential = gap(design)
    return potential, MahalanobisDistance(potential, design.train)


CASES: dict[str, Callable[[Design], tuple[Potential, Uncertainty]]] = {
    "committee": _committee,
    "committee, energies of atoms": _committee_energies,
    "committees in a sum": _committees_in_a_sum,
    "GP variance": _gp,
    "GP variance of forces": _gp_forces,
    "GP variances in a sum": _gps_in_a_sum,
    "shallow ensemble": _ensemble,
    "shallow ensembles in a sum, energies of atoms": _ensembles_in_a_sum,
    "dropout": _dropout,
    "evidential": _evidential,
    "mean-variance": _mean_variance,
    "last layer": _last_layer,
    "last layer beside a prior, energies of atoms": _last_layer_beside_a_prior,
    "nearest environments": _nearest,
    "nearest environments of a GAP": _nearest_of_a_gap,
    "Mahalanobis distance": _mahalanobis,
    "Mahalanobis distance of a GAP": _mahalanobis_of_a_gap,
}
