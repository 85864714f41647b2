"""Functions of an edge: radial functions that go smoothly to zero at the cutoff, and tensors of its direction."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ExponentialBasis(nn.Module):
    """K Gaussians of exp(-r/r0), narrow near the atom and wide far from it, times a cosine cutoff.

    φ_k(r) = fc(r) exp(-β (exp(-α r) - μ_k)²), with α = 5/cutoff, μ_k evenly spaced from exp(-5) to 1, and
    β = (2/K (1 - exp(-5)))⁻².

    Source: Unke and Meuwly, J. Chem. Theory Comput. 15, 3678 (2019).

    >>> tuple(ExponentialBasis(16, cutoff=5.0)(torch.tensor([1.0, 2.0])).shape)
    (2, 16)
    """

    def __init__(self, size: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.register_buffer(
            "centres", torch.linspace(math.exp(-5.0), 1.0, size, dtype=torch.float64), persistent=False
        )
        self.steepness = (2 / size * (1 - math.exp(-5.0))) ** -2

    def forward(self, r: Tensor) -> Tensor:
        """(P, K) from distances (P,) in Å; 0 from the cutoff on."""
        return self._parts(r.clamp(max=self.cutoff))[0]

    def with_slope(self, r: Tensor) -> tuple[Tensor, Tensor]:
        """(P, K) and its derivative with respect to r, 1/Å; both 0 from the cutoff on."""
        r = r.clamp(max=self.cutoff)
        value, ends, place, offset = self._parts(r)
        gaussians = torch.exp(-self.steepness * offset.square())
        falling = (-0.5 * math.pi / self.cutoff) * torch.sin(r * (math.pi / self.cutoff))
        inner = (10.0 * self.steepness / self.cutoff) * (ends * place)
        return value, gaussians * torch.addcmul(falling[:, None], inner[:, None], offset)

    def _parts(self, r: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        ends = 0.5 * (1 + torch.cos(r * (math.pi / self.cutoff)))
        place = torch.exp(r * (-5.0 / self.cutoff))
        offset = place[:, None] - self.centres
        return ends[:, None] * torch.exp(-self.steepness * offset.square()), ends, place, offset


def edge_tensors(unit: Tensor) -> Tensor:
    """Components (E, 9) of the matrices 1, [u]× and uu - 1/3 of unit vectors (E, 3), in the basis of `forms`."""
    x, y, z = unit.unbind(1)
    half, sixth = 0.5**0.5, 6.0**-0.5
    return torch.stack(
        [
            torch.full_like(x, 3**0.5), x * 2**0.5, y * 2**0.5, z * 2**0.5, (x * x - y * y) * half,
            (2 * z * z - x * x - y * y) * sixth, x * y * 2**0.5, y * z * 2**0.5, x * z * 2**0.5,
        ],
        1,
    )  # fmt: skip


def edge_tensors_back(unit: Tensor, g: Tensor) -> Tensor:
    """The pullback (..., E, 3) of `edge_tensors` at gradients (..., E, 9)."""
    x, y, z = unit.unbind(1)
    _, a, b, c, d, e, f, h, k = g.unbind(-1)
    e = e * 3**-0.5
    return 2**0.5 * torch.stack(
        [a + x * (d - e) + y * f + z * k, b - y * (d + e) + x * f + z * h, c + 2 * z * e + y * h + x * k], -1
    )
