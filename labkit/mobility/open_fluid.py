"""Particles in an unbounded fluid: Oseen's tensor, and that of Rotne, Prager and Yamakawa."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from labkit.config import compiler
from labkit.errors import LabkitError
from labkit.mobility.pair import PairMobility, positive

#: Particles of a system below which torch is as fast for a batch.
_FEW = 20


class Oseen(PairMobility):
    """M_ii = I/(6πηa), M_ij = (I + r̂ r̂ᵀ)/(8πηr): point forces. Not positive if particles come close.

    radius     a in Å, a number or (n,), the same in all systems of a batch
    viscosity  η in eV fs/Å^3 (labkit.units.MILLIPASCAL_SECOND)

    >>> x = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 30.0]]], dtype=torch.float64)
    >>> m = Oseen(radius=10.0, viscosity=1.0).matrix(x)
    >>> round(float(m[0, 2, 5] / m[0, 0, 0]), 6)  # 3a/2r along the line of centres
    0.5
    """

    def __init__(self, radius: float | Tensor, viscosity: float) -> None:
        super().__init__()
        self.register_buffer("radius", positive(radius, "radius", "Å"))
        self.register_buffer("viscosity", positive(viscosity, "viscosity", "eV fs/Å^3"))

    def own(self, n: int, like: Tensor) -> Tensor:
        return (1 / (6 * math.pi * self.viscosity * self._radii(n))).to(like)

    def functions(self, r: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        scale = 1 / (8 * math.pi * self.viscosity.to(r) * r)
        return scale, scale

    def product(self, positions: Tensor, forces: Tensor, cell: Tensor | None = None) -> Tensor:
        """M F, (S, n, 3); by a compiled kernel if there is one and no gradients are required."""
        inputs = positions, forces
        followed = torch.is_grad_enabled() and any(t.requires_grad for t in inputs)
        plain = all(t.device.type == "cpu" and t.dtype == torch.float64 for t in inputs)
        n = positions.shape[1]
        if followed or not plain or not compiler() or type(self) not in (Oseen, RotnePragerYamakawa) or n < _FEW:
            return super().product(positions, forces, cell)
        from labkit.mobility.kernels import products  # late: needs numba

        x, f = (t.detach().contiguous().numpy() for t in inputs)
        radii = self._radii(n).to("cpu").expand(n).contiguous().numpy()
        return torch.from_numpy(products(x, f, radii, float(self.viscosity), type(self) is RotnePragerYamakawa))

    def _radii(self, n: int) -> Tensor:
        if self.radius.ndim and len(self.radius) != n:
            raise LabkitError(
                f"{type(self).__name__} has {len(self.radius)} radii, but a system has {n} particles; give one radius, "
                "or one for each particle of a system"
            )
        return self.radius.reshape(-1)


class RotnePragerYamakawa(Oseen):
    """Spheres to the order (a/r)³, positive semi-definite in all configurations, overlapping ones included.

    With radii a, b and r > a + b: 8πηr M_ij = (1 + (a² + b²)/3r²) I + (1 - (a² + b²)/r²) r̂ r̂ᵀ; for overlapping
    spheres the same surface integrals have another branch, and a small sphere inside a large one moves with it.
    ∇·M = 0.

    Rotne and Prager, J. Chem. Phys. 50, 4831 (1969); Yamakawa, ibid. 53, 436 (1970); radii that differ: Zuk, Wajnryb,
    Mizerski and Szymczak, J. Fluid Mech. 741, R5 (2014). Parameters as in Oseen.
    """

    def functions(self, r: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        eta, n = self.viscosity.to(r), r.shape[-1]
        radii = self._radii(n).to(r).expand(n)
        a, b = radii[rows, None], radii
        if self.radius.ndim == 0:
            a = b = radii[0]
        far = r > a + b
        safe = torch.where(far, r, 1.0)  # far branch: nothing singular, nothing infinite in gradients
        scale, ratio = 1 / (8 * math.pi * eta * safe), (a**2 + b**2) / safe**2
        alpha, beta = scale * (1 + ratio / 3), scale * (1 - ratio)
        gap2 = (a - b) ** 2
        touching = ~far & (r > (a - b).abs())
        near = torch.where(touching, r, 1.0)
        scale = 1 / (6 * math.pi * eta * a * b * 32 * near**3)
        alpha_near = scale * (16 * near**3 * (a + b) - (gap2 + 3 * near**2) ** 2)
        beta_near = scale * 3 * (gap2 - near**2) ** 2
        within = 1 / (6 * math.pi * eta * torch.maximum(a, b))
        alpha = torch.where(far, alpha, torch.where(touching, alpha_near, within))
        return alpha, torch.where(far, beta, torch.where(touching, beta_near, torch.zeros_like(beta)))
