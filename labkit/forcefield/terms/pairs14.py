"""Pairs of atoms with parameters of their own, computed at any distance: scaled 1-4 interactions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labkit.base import System
from labkit.forcefield.fast.kernels.limits import SAME2
from labkit.forcefield.terms.degenerate import without
from labkit.forcefield.terms.term import Term, separation
from labkit.units import COULOMB


class Pairs14(Term):
    """E = 4 ε ((σ/r)^12 - (σ/r)^6) + k_e q_i q_j / r, without a cutoff.

    atoms (m, 2); charge_product q_i q_j (m,) e², already scaled; sigma (m,) Å; epsilon (m,) eV

    >>> Pairs14([[0, 3]], charge_product=0.1, sigma=3.0, epsilon=0.005).atoms.tolist()
    [[0, 3]]
    """

    VALUES = ("charge_product", "sigma", "epsilon")

    def __init__(self, atoms: Any, charge_product: Any, sigma: Any, epsilon: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, charge_product=charge_product, sigma=sigma, epsilon=epsilon, periodic=periodic)
        self._rows(2)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        i, j = self.atoms.unbind(1)
        r2 = separation(system, positions, cell, i, j, self.periodic).square().sum(1)
        same = ~(r2.detach() > SAME2)
        r2 = torch.where(same, 1.0, r2)
        s6 = (self.sigma.square() / r2) ** 3
        energies = 4 * self.epsilon * (s6.square() - s6) + COULOMB * self.charge_product * torch.rsqrt(r2)
        return without(energies, same & ((self.charge_product != 0) | (self.sigma * self.epsilon != 0)))
