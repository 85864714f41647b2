"""Electrostatics of point charges: plain, or cut off with a reaction field."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labkit.base import Neighbours, System
from labkit.errors import LabkitError
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.units import COULOMB


class Coulomb(PairTerm):
    """E = k_e Σ q_i q_j / r; with a cutoff and a `dielectric` ε beyond it, k_e Σ q_i q_j (1/r + k_rf r² - c_rf).

    k_rf = (1/r_c³) (ε - 1)/(2ε + 1), c_rf = (1/r_c) 3ε/(2ε + 1) (Tironi et al., J. Chem. Phys. 102, 5451, 1995): the
    force is zero at the cutoff for ε → ∞. With a cutoff and no dielectric it is the shifted 1/r (ε = 1).

    charges (n,) e; exclusions (e, 2); cutoff Å, None for all pairs

    >>> Coulomb([1.0, -1.0]).reach is None
    True
    """

    VALUES = ("charges",)
    SETTINGS = ("reach", "dielectric")

    def __init__(
        self,
        charges: Any,
        exclusions: Any = (),
        cutoff: float | None = None,
        dielectric: float | None = None,
    ) -> None:
        super().__init__()
        self._set(charges=charges, exclusions=exclusions, reach=cutoff, dielectric=dielectric)
        self._pairs_within(cutoff)
        if dielectric is not None and cutoff is None:
            raise LabkitError(f"Coulomb: a dielectric of {dielectric} beyond the cutoff needs a cutoff")

    @property
    def reaction_field(self) -> tuple[float, float]:
        """k_rf [1/Å³] and c_rf [1/Å]."""
        if self.reach is None:
            return 0.0, 0.0
        eps = 1.0 if self.dielectric is None else self.dielectric
        return (eps - 1) / (2 * eps + 1) / self.reach**3, 3 * eps / (2 * eps + 1) / self.reach

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        (i, j, _), vectors = self.pairs(system, positions, cell, neighbours)
        r2 = vectors.square().sum(1)
        k_rf, c_rf = self.reaction_field
        charge = self.charges.index_select(0, i) * self.charges.index_select(0, j)
        return self._sum(system, i, COULOMB * charge * (torch.rsqrt(r2) + k_rf * r2 - c_rf))
