"""torch-pme with B-splines: its Lagrange polynomials jump where an atom passes between two points.

On the same mesh the errors of forces are 30 times smaller (648 atoms of water, order 5, 32 points per direction).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchpme import CoulombPotential, PMECalculator
from torchpme.lib.kvectors import get_ns_mesh
from torchpme.lib.mesh_interpolator import MeshInterpolator

from labkit.forcefield.terms.splines import factors, pieces


class SplineMesh(MeshInterpolator):
    """Interpolation between atoms and mesh by B-splines."""

    def _compute_1d_weights(self, x: Tensor) -> Tensor:
        order = self.interpolation_nodes
        table = torch.as_tensor(pieces(order), dtype=x.dtype, device=x.device)[..., None, None]
        shares = table[:, -1]
        for power in range(order - 2, -1, -1):
            shares = shares * x + table[:, power]
        return shares


class SplinePotential(CoulombPotential):
    """4π exp(-k²/4α²)/k² b(m_x)² b(m_y)² b(m_z)²."""

    def __init__(self, alpha: float, order: int) -> None:
        super().__init__(smearing=1 / (2**0.5 * alpha))
        self.order = order

    def lr_from_k_sq(self, k_sq: Tensor) -> Tensor:
        nx, ny, half = k_sq.shape
        kernel = super().lr_from_k_sq(k_sq)
        for axis, n in enumerate((nx, ny, max(1, 2 * half - 2))):  # a mesh of torch-pme is even, or of one point
            b2 = torch.as_tensor(factors(self.order, n)[: k_sq.shape[axis]], dtype=k_sq.dtype, device=k_sq.device)
            kernel = kernel * b2.reshape([-1 if a == axis else 1 for a in range(3)])
        return kernel


def calculator(alpha: float, spacing: float, order: int, like: Tensor) -> PMECalculator:
    """torch-pme's calculator with B-splines."""
    made = PMECalculator(SplinePotential(alpha, order), mesh_spacing=spacing, interpolation_nodes=order)
    made = made.to(like.device, like.dtype)
    old = made.mesh_interpolator
    made.mesh_interpolator = SplineMesh(old.cell, old.ns_mesh, order, method="Lagrange")  # with the same points
    return made


def mesh_shape(cell: np.ndarray, spacing: float) -> tuple[int, int, int]:
    """Points of the mesh in each direction of a cell (3, 3) Å, as torch-pme chooses them: powers of two."""
    nx, ny, nz = get_ns_mesh(torch.from_numpy(cell), spacing).tolist()
    return nx, ny, nz
