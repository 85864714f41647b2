"""Purely repulsive pairs: of atoms (r^-12), and of coarse-grained beads (r^-6)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from labkit.base import Neighbours, System
from labkit.errors import LabkitError
from labkit.forcefield.terms.lennard_jones import root
from labkit.forcefield.terms.pair_term import PairTerm


class Repulsion(PairTerm):
    """E = Σ 4 ε (σ/r)^p, p = 12, σ = (σ_i + σ_j)/2, ε = sqrt(ε_i ε_j); needs no other term.

    sigma (n,) Å; epsilon (n,) eV; exclusions (e, 2); cutoff Å, None for all pairs

    >>> Repulsion([4.0, 4.0], [0.004, 0.004]).power
    12
    """

    VALUES = ("sigma", "epsilon")
    power = 12

    def __init__(self, sigma: Any, epsilon: Any, exclusions: Any = (), cutoff: float | None = None) -> None:
        super().__init__()
        self._set(sigma=sigma, epsilon=epsilon, exclusions=exclusions, reach=cutoff)
        self._pairs_within(cutoff)
        if len(self.sigma) != len(self.epsilon):
            raise LabkitError(f"Repulsion: {len(self.sigma)} sigma and {len(self.epsilon)} epsilon; one per atom")

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        (i, j, _), vectors = self.pairs(system, positions, cell, neighbours)
        sigma = 0.5 * (self.sigma.index_select(0, i) + self.sigma.index_select(0, j))
        roots = root(self.epsilon)
        epsilon = roots.index_select(0, i) * roots.index_select(0, j)
        ratio = sigma.square() / vectors.square().sum(1)
        return self._sum(system, i, 4 * epsilon * ratio ** (self.power // 2))


class RepulsionCG(Repulsion):
    """E = Σ 4 ε (σ/r)^6: beads of a coarse-grained chain (Majewski et al., Nat. Commun. 14, 5739, 2023)."""

    power = 6
