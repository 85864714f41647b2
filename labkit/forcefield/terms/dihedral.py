"""The dihedral angle of four atoms, for all torsion terms."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.base import System
from labkit.forcefield.terms.degenerate import straight
from labkit.forcefield.terms.term import separation


def dihedral(system: System, positions: Tensor, cell: Tensor, atoms: Tensor, periodic: bool = False) -> Tensor:
    """The angle φ in (-π, π] between the planes (i, j, k) and (j, k, l), 0 for cis; (m, 4) -> (m,) rad.

    φ = atan2(|b2| b1 · (b2 × b3), (b1 × b2) · (b2 × b3)), b1 = r_j - r_i and so on (IUPAC's sign). 0 where three of the
    atoms lie in a line.
    """
    return dihedral_or_none(system, positions, cell, atoms, periodic)[0]


def dihedral_or_none(
    system: System, positions: Tensor, cell: Tensor, atoms: Tensor, periodic: bool = False
) -> tuple[Tensor, Tensor]:
    """φ (m,), and whether it is undefined (m,), as three atoms lie in a line: φ is 0 there, without a gradient."""
    i, j, k, l = atoms.unbind(1)
    b1, b2, b3 = (separation(system, positions, cell, p, q, periodic) for p, q in ((i, j), (j, k), (k, l)))
    n1, n2 = torch.linalg.cross(b1, b2), torch.linalg.cross(b2, b3)
    none = straight(n1, (b1 * b2).sum(1).square()) | straight(n2, (b2 * b3).sum(1).square())
    sine, cosine = torch.linalg.vector_norm(b2, dim=1) * (b1 * n2).sum(1), (n1 * n2).sum(1)
    return torch.atan2(torch.where(none, 0.0, sine), torch.where(none, 1.0, cosine)), none
