"""Lennard-Jones, with a switch and a long-range correction."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labkit.base import Neighbours, System
from labkit.errors import LabkitError
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.switching import beyond, check_switch, root, switching


class LennardJones(PairTerm):
    """E = Σ S(r) 4 ε ((σ/r)^12 - (σ/r)^6), σ = (σ_i + σ_j)/2, ε = sqrt(ε_i ε_j) (Lorentz and Berthelot).

    S = 1 - 10 x³ + 15 x⁴ - 6 x⁵, x = (r - switch)/(cutoff - switch), beyond `switch`; 1 before it, and without one.

    sigma (n,) Å; epsilon (n,) eV; exclusions (e, 2); cutoff, switch in Å
    `long_range_correction`: adds the energy of a uniform fluid beyond the switch and the cutoff (periodic systems),
    E = (2π N²/V) <∫ (1 - S) u(r) r² dr>, mean over all pairs of atoms, i ≤ j (Shirts et al., J. Phys. Chem. B 111,
    13052, 2007).

    >>> LennardJones([3.15, 0.4], [0.0066, 0.0], exclusions=[[0, 1]]).reach is None
    True
    """

    VALUES = ("sigma", "epsilon")
    SETTINGS = ("reach", "switch", "long_range_correction")

    def __init__(
        self,
        sigma: Any,
        epsilon: Any,
        exclusions: Any = (),
        cutoff: float | None = None,
        switch: float | None = None,
        long_range_correction: bool = False,
    ) -> None:
        super().__init__()
        self._set(
            sigma=sigma, epsilon=epsilon, exclusions=exclusions, reach=cutoff, switch=switch,
            long_range_correction=long_range_correction,
        )  # fmt: skip
        self._pairs_within(cutoff)
        if len(self.sigma) != len(self.epsilon):
            raise LabkitError(f"LennardJones: {len(self.sigma)} sigma and {len(self.epsilon)} epsilon; one per atom")
        check_switch("LennardJones", switch, cutoff, long_range_correction)

    @property
    def root_epsilon(self) -> Tensor:
        """sqrt(ε), with a gradient also where ε is 0."""
        return root(self.epsilon)

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        (i, j, _), vectors = self.pairs(system, positions, cell, neighbours)
        r2 = vectors.square().sum(1)
        roots = self.root_epsilon
        sigma2 = (0.5 * (self.sigma.index_select(0, i) + self.sigma.index_select(0, j))).square()
        s6 = (sigma2 / r2) ** 3
        u = 4 * roots.index_select(0, i) * roots.index_select(0, j) * (s6.square() - s6)
        if self.switch is not None:
            u = u * switching(r2.sqrt(), self.switch, self.reach)
        energy, rest = self._sum(system, i, u), self.rest(system, positions, cell)
        return energy if rest is None else energy + rest

    def rest(self, system: System, positions: Tensor, cell: Tensor) -> Tensor | None:
        """The long-range correction, or None."""
        if not self.long_range_correction:
            return None
        volume = torch.linalg.det(cell).abs()
        if torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters()):
            return self.correction(system) / volume
        values = [*self.parameters()]  # kept too, so that their ids stay their own
        mark = (system, self.reach, self.switch, *((id(p), p._version) for p in values))  # kept while the same
        kept = self.__dict__.get("_beyond")
        if kept is None or kept[0] != mark:
            kept = self.__dict__["_beyond"] = (mark, self.correction(system).detach(), values)
        return kept[1] / volume

    def correction(self, system: System) -> Tensor:
        """V times the long-range correction, (S,) eV Å³."""
        kinds, which = torch.unique(torch.stack([self.sigma, self.epsilon], 1).detach(), dim=0, return_inverse=True)
        first = torch.full((len(kinds),), system.n_atoms, device=which.device).scatter_reduce(
            0, which, torch.arange(system.n_atoms, device=which.device), "amin"
        )
        sigma = 0.5 * (self.sigma[first][:, None] + self.sigma[first])
        epsilon = self.root_epsilon[first][:, None] * self.root_epsilon[first]
        count = torch.zeros(system.n_systems, len(kinds), dtype=sigma.dtype, device=which.device)
        count = count.index_put((system.index, which), torch.ones_like(self.sigma), accumulate=True)
        s6 = sigma**6
        return beyond(4 * epsilon * s6**2, 4 * epsilon * s6, count, self.switch, self.reach)
