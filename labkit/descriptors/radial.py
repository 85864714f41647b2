"""The radial basis: orthonormal functions that represent the density of smeared neighbours best."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import ive
from torch import Tensor, nn

from labkit.descriptors.limits import N_MAX, check_expansion
from labkit.errors import LabkitError

_QUADRATURE = N_MAX


def smeared(degree: int, r: np.ndarray, distance: np.ndarray, sigma: float) -> np.ndarray:
    """The l-th radial component g_l(r; d) = 4π exp(-(r² + d²)/2σ²) i_l(r d/σ²) of a Gaussian at distance d.

    i_l is the modified spherical Bessel function of the first kind; shapes broadcast.
    """
    x = r * distance / sigma**2
    safe = np.where(x > 1e-12, x, 1.0)
    scaled = np.where(x > 1e-12, np.sqrt(np.pi / (2 * safe)) * ive(degree + 0.5, safe), float(degree == 0))
    return 4 * np.pi * np.exp(-((r - distance) ** 2) / (2 * sigma**2)) * scaled


def smooth_cutoff(r: Tensor, cutoff: float, width: float) -> Tensor:
    """1 up to cutoff - width, then half a cosine down to 0 at the cutoff, and 0 beyond."""
    if width == 0:
        return (r < cutoff).to(r.dtype)
    x = ((r - (cutoff - width)) / width).clamp(0.0, 1.0)
    return 0.5 * (1.0 + torch.cos(torch.pi * x))


def cutoff_and_slope(r: Tensor, cutoff: float, width: float) -> tuple[Tensor, Tensor]:
    """`smooth_cutoff` and its derivative in 1/Å."""
    if width == 0:
        return smooth_cutoff(r, cutoff, width), torch.zeros_like(r)
    x = ((r - (cutoff - width)) / width).clamp(0.0, 1.0)
    return 0.5 * (1.0 + torch.cos(torch.pi * x)), -0.5 * torch.pi / width * torch.sin(torch.pi * x)


class RadialBasis(nn.Module):
    """R_nl(r), the functions that best represent smeared neighbours, near ones above all, and their integrals.

    For each l the R_nl are the leading left singular vectors of the operator that maps a neighbour's distance d to
    its smeared density g_l(r; d), with weight r² in r and w(d)² in d, w = d/(1 + (d/Å)⁴): that of a uniform density
    (Goscinski et al., J. Chem. Phys. 155, 104106 (2021)) near the atom, and of the fading importance of neighbours
    (Willatt et al., Phys. Chem. Chem. Phys. 20, 29661 (2018)) farther out.

    The expansion needs I_nl(d) = ∫ r² R_nl(r) g_l(r; d) dr; it is analytic in d and stored as a Chebyshev series
    to 1e-12, so that it costs one matrix product and has derivatives of any order.

    n_max functions for each l from 0 to l_max; cutoff and atom_sigma in Å.

    >>> basis = RadialBasis(n_max=4, l_max=2, cutoff=4.0, atom_sigma=0.3)
    >>> tuple(basis(torch.tensor([0.9, 2.5], dtype=torch.float64)).shape)  # (pairs, l, n)
    (2, 3, 4)
    """

    def __init__(self, n_max: int, l_max: int, cutoff: float, atom_sigma: float, width: float = 0.5) -> None:
        super().__init__()
        check_expansion(n_max, l_max, cutoff, atom_sigma, width)
        self.n_max, self.l_max, self.cutoff, self.atom_sigma, self.width = n_max, l_max, cutoff, atom_sigma, width
        nodes, weights = np.polynomial.legendre.leggauss(_QUADRATURE)
        end = cutoff + 6 * atom_sigma
        self._r, self._dr = 0.5 * end * (nodes + 1), 0.5 * end * weights
        far, d_far = 0.5 * cutoff * (nodes + 1), 0.5 * cutoff * weights
        fade = smooth_cutoff(torch.as_tensor(far), cutoff, width).numpy()
        self._far, self._far_weight = far, _importance(far) * fade * np.sqrt(d_far)
        self._right = np.stack([self._singular(l) for l in range(l_max + 1)])  # (l, n, quadrature)
        self.functions = np.stack([self.function(l, self._r) for l in range(l_max + 1)])  # (l, n, quadrature)
        degree, tail = 16, 1.0
        while tail > 1e-12 and degree < 400:  # as many Chebyshev terms as the narrowest function needs
            degree = int(degree * 1.25)
            at = 0.5 * cutoff * (np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1)) + 1)
            series = np.stack([_chebyshev(self._integrals(l, at)) for l in range(l_max + 1)])
            tail = np.abs(series[..., -4:]).max() / np.abs(series).max()
        table = torch.as_tensor(series).permute(2, 0, 1).reshape(degree + 1, -1)
        self.register_buffer("table", table.contiguous())  # (Chebyshev terms, l n)
        self.register_buffer("orders", torch.arange(degree + 1, dtype=torch.float64))

    def _singular(self, l: int) -> np.ndarray:
        """Right singular vectors of r g_l(r; d) w(d) f_c(d), divided by their singular values, (n, quadrature)."""
        operator = smeared(l, self._r[:, None], self._far, self.atom_sigma) * self._far_weight
        operator *= (self._r * np.sqrt(self._dr))[:, None]
        left, size, right = np.linalg.svd(operator, full_matrices=False)
        if size[self.n_max - 1] < 1e-13 * size[0]:
            raise LabkitError(
                f"n_max is {self.n_max}, but Gaussians of {self.atom_sigma} Å within {self.cutoff} Å fill only "
                f"{int((size > 1e-13 * size[0]).sum())} radial functions; use a smaller n_max or atom_sigma"
            )
        keep = slice(0, self.n_max)
        signs = np.sign(
            left[np.abs(left[:, keep]).argmax(0), np.arange(self.n_max)]
        )  # the SVD leaves them undetermined
        return right[keep] * (signs / size[keep])[:, None]

    def function(self, l: int, r: np.ndarray) -> np.ndarray:
        """R_nl at any r [Å], (n, len(r)); orthonormal with weight r²."""
        return (self._right[l] * self._far_weight) @ smeared(l, r, self._far[:, None], self.atom_sigma)

    def _integrals(self, l: int, distance: np.ndarray) -> np.ndarray:
        """I_nl at some distances by quadrature, (n, len(distance))."""
        return (self.functions[l] * self._r**2 * self._dr) @ smeared(l, self._r[:, None], distance, self.atom_sigma)

    def forward(self, distance: Tensor) -> Tensor:
        """Integrals I_nl(d) of pairs at distance d (P,) Å, as (P, l, n); without the cutoff function."""
        angle = self._angle(distance)
        chebyshev = torch.cos(angle[:, None] * self.orders)
        return (chebyshev @ self.table).view(-1, self.l_max + 1, self.n_max)

    def with_derivative(self, distance: Tensor) -> tuple[Tensor, Tensor]:
        """I_nl and dI_nl/dd, both (P, l, n)."""
        angle = self._angle(distance)
        phase = angle[:, None] * self.orders
        slope = self.orders * torch.sin(phase) / torch.sin(angle)[:, None] * (2 / self.cutoff)
        shape = (-1, self.l_max + 1, self.n_max)
        return (torch.cos(phase) @ self.table).view(shape), (slope @ self.table).view(shape)

    def _angle(self, distance: Tensor) -> Tensor:
        """θ of T_k(cos θ), kept away from the ends, where its derivative is infinite and that of the series 0/0."""
        return torch.acos(((2 / self.cutoff) * distance - 1).clamp(-1 + 1e-14, 1 - 1e-14))

    def at_centre(self) -> Tensor:
        """I_n0(0), an atom's contribution to its own environment, (n,)."""
        signs = 1 - 2 * (self.orders % 2)  # T_k(-1)
        return (signs @ self.table).view(self.l_max + 1, self.n_max)[0]


def _importance(distance: np.ndarray) -> np.ndarray:
    return distance / (1 + distance**4)


def _chebyshev(values: np.ndarray) -> np.ndarray:
    """Coefficients of the series that passes through `values` (..., K) at the K Chebyshev nodes."""
    count = values.shape[-1]
    k, j = np.arange(count)[:, None], np.arange(count)[None]
    transform = np.cos(np.pi * k * (j + 0.5) / count) * (2.0 / count)
    transform[0] *= 0.5
    return values @ transform.T
