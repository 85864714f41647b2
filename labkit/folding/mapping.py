"""Forces on beads from forces on atoms: the unbiased linear map with the least noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labkit.engine import Constraints
from labkit.errors import LabkitError


def tied_atoms(n_atoms: int, constraints: Constraints | None) -> Tensor:
    """C (n, g) of 0 and 1: which atoms share a coefficient because constraints join them."""
    if constraints is None or not len(constraints):
        return torch.eye(n_atoms, dtype=torch.float64)
    label = torch.arange(n_atoms)
    for a, b in constraints.atoms.tolist():
        label[label == label[b]] = label[a].clone()
    return (label[:, None] == label.unique()[None]).double()


def optimal_force_map(
    forces: Tensor, mapping: Tensor, constraints: Constraints | None = None, ridge: float = 1e-3
) -> Tensor:
    """B (m, n) for which B f are unbiased forces on the beads with the least mean square.

    B = (A P⁻¹ Aᵀ)⁻¹ A P⁻¹ Cᵀ with A = M C, P = Cᵀ (⟨f fᵀ⟩ + λ) C: of the maps with M Bᵀ = 1 and equal coefficients for
    atoms that constraints join, the one with the least ⟨|B f|²⟩ + λ |B|². The mean force on beads at R is E[B f | R].

    forces      (frames, n, 3) eV/Å of atoms without constraint forces, and without a bias
    mapping     M (m, n): positions of beads are M r
    constraints of one replica; ridge λ as a fraction of the mean square of the forces

    Raises LabkitError if beads share tied atoms, so that no map is unbiased. Krämer et al., J. Phys. Chem. Lett. 14,
    3970 (2023); Noid et al., J. Chem. Phys. 128, 244114 (2008).

    >>> noisy = torch.randn(200, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    >>> noisy[:, 2] -= noisy[:, 0]  # forces between atoms 0 and 2 are noise for a bead at atom 0
    >>> optimal_force_map(noisy, torch.tensor([[1.0, 0, 0]]).double()).round(decimals=1).tolist()
    [[1.0, 0.0, 0.5]]
    """
    frames, n, _ = forces.shape
    ties, mapping = tied_atoms(n, constraints), mapping.double()
    a = mapping @ ties
    flat = forces.double().permute(0, 2, 1).reshape(-1, n)
    moments = flat.T @ flat / frames
    moments = moments + ridge * moments.diagonal().mean() * torch.eye(n, dtype=torch.float64)
    if int(torch.linalg.matrix_rank(a)) < len(mapping):
        shared = torch.nonzero((a != 0).sum(0) > 1).flatten().tolist()
        raise LabkitError(
            f"{len(mapping)} beads, some of which share atoms that constraints join (group {shared[:1]}): no map of "
            "forces is unbiased; move a bead, or run without these constraints"
        )
    solved = torch.linalg.solve(ties.T @ moments @ ties, a.T)
    return torch.linalg.solve(a @ solved, solved.T) @ ties.T


def beads_at(atoms: Any, n_atoms: int) -> Tensor:
    """M (m, n) of beads at atoms."""
    return torch.eye(n_atoms, dtype=torch.float64)[torch.as_tensor(atoms, dtype=torch.int64)]
