"""Torsions: cosine series, Ryckaert-Bellemans, harmonic impropers, all of one dihedral angle."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labkit.base import System
from labkit.forcefield.terms.degenerate import straight, without
from labkit.forcefield.terms.term import Term, separation


def dihedral(system: System, positions: Tensor, cell: Tensor, atoms: Tensor, periodic: bool = False) -> Tensor:
    """The angle φ in (-π, π] between the planes (i, j, k) and (j, k, l), 0 for cis; (m, 4) -> (m,) rad.

    φ = atan2(|b2| b1 · (b2 × b3), (b1 × b2) · (b2 × b3)), b1 = r_j - r_i and so on (IUPAC's sign). 0 where three of the
    atoms lie in a line.
    """
    return dihedral_or_none(system, positions, cell, atoms, periodic)[0]


def dihedral_or_none(
    system: System, positions: Tensor, cell: Tensor, atoms: Tensor, periodic: bool = False
) -> tuple[Tensor, Tensor]:
    """φ (m,), and where there is none (m,), as three atoms lie in a line: φ is 0 there, without a gradient."""
    i, j, k, l = atoms.unbind(1)
    b1, b2, b3 = (separation(system, positions, cell, p, q, periodic) for p, q in ((i, j), (j, k), (k, l)))
    n1, n2 = torch.linalg.cross(b1, b2), torch.linalg.cross(b2, b3)
    none = straight(n1, (b1 * b2).sum(1).square()) | straight(n2, (b2 * b3).sum(1).square())
    sine, cosine = torch.linalg.vector_norm(b2, dim=1) * (b1 * n2).sum(1), (n1 * n2).sum(1)
    return torch.atan2(torch.where(none, 0.0, sine), torch.where(none, 1.0, cosine)), none


class Torsions(Term):
    """E = k (1 + cos(nφ - γ)), proper and improper (AMBER, CHARMM); several rows may name the same atoms.

    atoms (m, 4); n (m,) periodicity; phase γ (m,) rad; k (m,) eV

    >>> Torsions([[0, 1, 2, 3]], n=3, phase=0.0, k=0.05).k.shape
    torch.Size([1])
    """

    VALUES = ("n", "phase", "k")

    def __init__(self, atoms: Any, n: Any, phase: Any, k: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, n=n, phase=phase, k=k, periodic=periodic)
        self._rows(4)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        phi, none = dihedral_or_none(system, positions, cell, self.atoms, self.periodic)
        return without(self.k * (1 + torch.cos(self.n * phi - self.phase)), none & (self.k * self.n != 0))


class RyckaertBellemans(Term):
    """E = Σ_n c_n cos^n(φ - π), n = 0 to 5 (OPLS in GROMACS).

    atoms (m, 4); c (m, 6) eV
    """

    VALUES = ("c",)

    def __init__(self, atoms: Any, c: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, c=c, periodic=periodic)
        self._rows(4)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        phi, none = dihedral_or_none(system, positions, cell, self.atoms, self.periodic)
        x = torch.where(none, 0.0, -torch.cos(phi))
        total = torch.zeros_like(x)
        for c in self.c.unbind(1)[::-1]:  # Horner
            total = total * x + c
        return without(total, none & (self.c[:, 1:] != 0).any(1))


class HarmonicImpropers(Term):
    """E = ½ k d², d = φ - φ0 folded into (-π, π] (CHARMM).

    atoms (m, 4); k (m,) eV/rad²; phi0 (m,) rad
    """

    VALUES = ("k", "phi0")

    def __init__(self, atoms: Any, k: Any, phi0: Any, periodic: bool = False) -> None:
        super().__init__()
        self._set(atoms=atoms, k=k, phi0=phi0, periodic=periodic)
        self._rows(4)

    def energies(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        phi, none = dihedral_or_none(system, positions, cell, self.atoms, self.periodic)
        d = phi - self.phi0
        energies = 0.5 * self.k * (d - 2 * torch.pi * torch.round(d.detach() / (2 * torch.pi))) ** 2
        return without(energies, none & (self.k != 0))
