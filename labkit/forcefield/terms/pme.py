"""Electrostatics of periodic point charges by particle-mesh Ewald."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from labkit.base import Neighbours, System
from labkit.base.lattice import lattices_of
from labkit.errors import LabkitError
from labkit.forcefield.fast.mesh import CompiledMesh, check_mesh
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.registry import kernel_of
from labkit.forcefield.terms.splines import ORDERS
from labkit.forcefield.terms.term import separation
from labkit.units import COULOMB


class Pme(PairTerm):
    """E = k_e [Σ q_i q_j erfc(αr)/r - Σ_excluded q_i q_j erf(αr)/r + reciprocal sum - Σ q_i² α/√π - π Q²/(2 V α²)].

    The first sum is over pairs within the cutoff, the reciprocal one on a mesh with B-splines (smooth PME; torch-pme
    and autograd, or compiled). A net charge Q has a uniform background of the opposite sign.

    charges (n,) e; exclusions (e, 2), at their nearest image; cutoff Å
    tolerance  of the forces, relative: α = sqrt(-ln(2 tolerance))/cutoff and the mesh follow from it (Darden, York and
               Pedersen, J. Chem. Phys. 98, 10089, 1993; OpenMM's rule for α)
    alpha      1/Å, mesh_spacing Å, nodes (3 to 7 mesh points per direction): instead of the values that follow from it

    Raises LabkitError for a system that is not periodic in all directions, and for any other number of nodes.
    """

    VALUES = ("charges",)
    SETTINGS = ("reach", "tolerance", "alpha", "mesh_spacing", "nodes")
    rest_compiled = True

    def __init__(
        self,
        charges: Any,
        exclusions: Any = (),
        cutoff: float = 9.0,
        tolerance: float = 5e-4,
        alpha: float | None = None,
        mesh_spacing: float | None = None,
        nodes: int | None = None,
    ) -> None:
        super().__init__()
        alpha = math.sqrt(-math.log(2 * tolerance)) / cutoff if alpha is None else alpha
        nodes = nodes or (5 if tolerance > 1e-6 else 7)  # a finer mesh costs more than more nodes
        if nodes not in ORDERS:
            raise LabkitError(f"Pme: nodes is {nodes}, expected a whole number from {ORDERS[0]} to {ORDERS[-1]}")
        spacing = 3.0 * tolerance ** (1 / nodes) / alpha if mesh_spacing is None else mesh_spacing
        self._set(
            charges=charges, exclusions=exclusions, reach=cutoff, tolerance=tolerance, alpha=alpha,
            mesh_spacing=spacing, nodes=nodes,
        )  # fmt: skip
        self._pairs_within(cutoff)

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        (i, j, _), vectors = self.pairs(system, positions, cell, neighbours)
        r = torch.linalg.vector_norm(vectors, dim=1)
        near = self._sum(system, i, self._products(i, j) * torch.erfc(self.alpha * r) / r)
        return COULOMB * near + self.rest(system, positions, cell)

    def rest(self, system: System, positions: Tensor, cell: Tensor) -> Tensor:
        """All but the sum over near pairs: reciprocal sum, self term, background, minus the excluded pairs."""
        self.check_periodic(system)
        i, j = self.exclusions.unbind(1)
        r = torch.linalg.vector_norm(separation(system, positions, cell, i, j, periodic=True), dim=1)
        total = -self._sum(system, i, self._products(i, j) * torch.erf(self.alpha * r) / r)
        mesh = self._calculator(positions)
        none = torch.empty(0, 2, dtype=torch.int64, device=positions.device)
        reduced = lattices_of(cell.detach().cpu().numpy(), system.pbc.cpu().numpy())
        check_mesh(reduced.rows, self.mesh_spacing)
        boxes, parts = torch.from_numpy(reduced.numbers).to(cell) @ cell, []  # a skewed cell would need a finer mesh
        for s, (start, end) in enumerate(zip(system.offsets, system.offsets[1:], strict=False)):
            q = self.charges[start:end, None]
            potential = mesh(q, boxes[s], positions[start:end], none, positions.new_empty(0))
            parts.append((q * potential).sum())
        return COULOMB * (total + torch.stack(parts))

    @staticmethod
    def check_periodic(system: System) -> None:
        if not bool(system.pbc.all()):
            raise LabkitError("Pme: a system is not periodic in all directions; use Coulomb, or give it a cell")

    def _products(self, i: Tensor, j: Tensor) -> Tensor:
        return self.charges.index_select(0, i) * self.charges.index_select(0, j)

    def _calculator(self, like: Tensor) -> Any:
        from labkit.forcefield.terms.torch_mesh import calculator  # late: only PME needs torch-pme

        key = (like.dtype, like.device, self.alpha, self.mesh_spacing, self.nodes)
        kept = self.__dict__.get("_mesh")
        if kept is None or kept[0] != key:
            kept = self.__dict__["_mesh"] = (key, calculator(*key[2:], like))
        return kept[1]


@kernel_of(Pme)
def _kernel(term: Pme, real: type) -> CompiledMesh:
    """All but the near pairs, which share a kernel with Lennard-Jones."""
    return CompiledMesh(term)
