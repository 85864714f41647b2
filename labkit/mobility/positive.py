"""Square roots of mobility matrices, and the errors if there is none."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.errors import LabkitError

#: Eigenvalues below zero by less than this share of the largest are rounding errors, by dtype of the computation.
ROUNDING = {torch.float64: 1e-10, torch.float32: 1e-5}


@dataclass(frozen=True, eq=False)
class Root:
    """B with B Bᵀ = M: `times` (S, d, d) is B, `force` is B⁻ᵀ, for which M (B⁻ᵀ w) = B w."""

    matrix: Tensor
    triangular: bool

    def times(self, w: Tensor) -> Tensor:
        """B w, for w (S, d)."""
        return (self.matrix @ w[..., None])[..., 0]

    def force(self, w: Tensor) -> Tensor:
        """B⁻ᵀ w; zero along motions of zero mobility."""
        if self.triangular:
            return torch.linalg.solve_triangular(self.matrix.mT, w[..., None], upper=True)[..., 0]
        squares = self.matrix.square().sum(-2)  # columns are orthogonal: eigenvectors times roots
        inverse = torch.where(squares > ROUNDING[squares.dtype] * squares.amax(-1, keepdim=True), 1 / squares, 0.0)
        return (self.matrix @ (inverse * w)[..., None])[..., 0]


def root(matrix: Tensor, positions: Tensor) -> Root:
    """Cholesky's factor of M (S, 3n, 3n), or eigenvectors if M is only semi-definite.

    Raises LabkitError if M has a negative eigenvalue, with the system, the particles and what to do.
    """
    lower, failed = torch.linalg.cholesky_ex(matrix)
    if not bool(failed.any()):
        return Root(lower, True)
    values, vectors = check_positive(matrix, positions)
    return Root(vectors * values.clamp(min=0).sqrt()[..., None, :], False)


def check_positive(matrix: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (S, 3n) Å²/(eV fs), ascending, and eigenvectors of mobilities of particles at `positions` (S, n, 3).

    Raises LabkitError if the lowest is negative: no real fluid has such a mobility.

    >>> m = torch.diag(torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, -0.1], dtype=torch.float64))[None]
    >>> check_positive(m, torch.zeros(1, 2, 3))
    Traceback (most recent call last):
    labkit.errors.LabkitError: the mobility of system 0 is not positive semi-definite: its lowest eigenvalue is -0.1 ...
    """
    lost = torch.nonzero(~torch.isfinite(matrix).flatten(1).all(1)).flatten().tolist()
    if lost:  # eigh would not terminate
        raise LabkitError(not_finite(lost[0], positions[lost[0]]))
    values, vectors = torch.linalg.eigh(matrix.detach())
    bad = torch.nonzero(values[:, 0] < -ROUNDING[values.dtype] * values[:, -1].abs()).flatten().tolist()
    if not bad:
        return values, vectors
    s = bad[0]
    raise LabkitError(not_positive(s, float(values[s, 0]), vectors[s, :, 0], positions[s], float(values[s, -1])))


def not_finite(system: int, positions: Tensor) -> str:
    """The message for a mobility that is not finite, naming particles (n, 3) at the same place if there are any."""
    _, place, count = torch.unique(positions, dim=0, return_inverse=True, return_counts=True)
    crowded = torch.nonzero(count > 1).flatten()
    if not len(crowded):
        return (
            f"the mobility of system {system} has entries that are not finite; look for positions that are far too "
            "large, parameters of the mobility that are not finite, or too large a timestep"
        )
    together = torch.nonzero(place == crowded[0]).flatten().tolist()
    return (
        f"the mobility of system {system} is not finite: particles {together[0]} and {together[1]} are at the same "
        "place. Keep particles apart (a repulsive potential, a smaller timestep), or use RotnePragerYamakawa, whose "
        "spheres may overlap"
    )


def not_positive(system: int, lowest: float, mode: Tensor, positions: Tensor, largest: float) -> str:
    """The message for a negative eigenvalue whose eigenvector (3n,) is about `mode`."""
    share = mode.view(-1, 3).square().sum(1)
    order = share.argsort(descending=True)[:2].tolist()
    who = f"particle {order[0]}"
    if len(order) > 1:
        apart = float((positions[order[0]] - positions[order[1]]).norm())
        who = f"particles {min(order)} and {max(order)}, {apart:.4g} Å apart"
    return (
        f"the mobility of system {system} is not positive semi-definite: its lowest eigenvalue is {lowest:.4g} "
        f"Å²/(eV fs) (the largest {largest:.4g}), of a motion mostly of {who}. Keep particles apart (a repulsive "
        "potential, a smaller timestep), use RotnePragerYamakawa instead of Oseen, or a learned model M = L Lᵀ "
        "(WholeModel), which is positive for any number of particles"
    )
