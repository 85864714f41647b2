"""Harmonic springs between two atoms: bonds, and Urey-Bradley terms between the ends of an angle."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labkit.base import System
from labkit.forcefield.terms.degenerate import without
from labkit.forcefield.terms.term import Term, separation


class HarmonicBonds(Term):
    """E = ½ k (r - r0)².

    atoms (m, 2); k (m,) eV/Å² (twice AMBER's and CHARMM's); r0 (m,) Å; `periodic`: to the nearest image

    >>> from ase.build import molecule
    >>> from labkit.base import State
    >>> bonds = HarmonicBonds([[0, 1], [0, 2]], k=40.0, r0=0.96)
    >>> bonds.evaluate(State.from_atoms(molecule("H2O"))).forces.shape
    torch.Size([3, 3])
    """

    VALUES = ("k", "r0")

    def __init__(self, atoms: Any, k: Any, r0: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, k=k, r0=r0, periodic=periodic)
        self._rows(2)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        i, j = self.atoms.unbind(1)
        r = torch.linalg.vector_norm(separation(system, positions, cell, i, j, self.periodic), dim=1)
        # at one place a spring has no direction, unless it is at rest there
        return without(0.5 * self.k * (r - self.r0) ** 2, (r == 0) & (self.k * self.r0 != 0))


class UreyBradley(HarmonicBonds):
    """E = ½ k (s - s0)², s the distance between the ends of an angle (CHARMM)."""
