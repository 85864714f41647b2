"""Spheres in a periodic box: the Rotne-Prager-Yamakawa tensor summed over all images by Ewald's method."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from labkit.errors import LabkitError
from labkit.mobility.mobility import Mobility, at_once, chunks
from labkit.mobility.open_fluid import RotnePragerYamakawa
from labkit.mobility.pair import positive


class PeriodicRotnePragerYamakawa(Mobility):
    """M_ij = Σ over images of the RPY tensor, in a fluid without mean flow: Beenakker's two quickly converging sums.

    Overlapping pairs, images too, have the overlapping branch, so that M is positive semi-definite as in the open
    fluid. A single sphere in a cube has 1 - 2.837297 a/L + (4π/3)(a/L)³ of its free mobility, as in Hasimoto (the next
    terms of the exact result, of order (a/L)⁶, need more than Rotne and Prager's order). ∇·M = 0.

    radius     Å, of all particles
    viscosity  eV fs/Å^3
    tolerance  relative, at which both sums are truncated
    splitting  1/Å, Ewald's ξ; the result does not depend on it. By default the near sum extends to V^(1/3)

    Beenakker, J. Chem. Phys. 85, 1581 (1986); Hasimoto, J. Fluid Mech. 5, 317 (1959).

    >>> box = 100.0 * torch.eye(3, dtype=torch.float64)[None]
    >>> m = PeriodicRotnePragerYamakawa(radius=5.0, viscosity=1.0).matrix(torch.zeros(1, 1, 3).double(), box)
    >>> round(float(m[0, 0, 0]) * 6 * math.pi * 5, 6)
    0.858659
    """

    periodic = True

    def __init__(
        self, radius: float, viscosity: float, tolerance: float = 1e-10, splitting: float | None = None
    ) -> None:
        super().__init__()
        self.free = RotnePragerYamakawa(float(positive(radius, "radius", "Å")), viscosity)
        if not 1e-15 < tolerance < 0.1:
            raise LabkitError(f"tolerance is {tolerance}; expected one such as 1e-10")
        self.tolerance, self.splitting = tolerance, splitting

    def matrix(self, positions: Tensor, cell: Tensor | None = None) -> Tensor:
        systems, n, _ = positions.shape
        cell, xi = self._split(cell, systems)
        k, weight = self._waves(cell, xi)
        phase = positions @ k.mT
        wave = torch.cat([phase.cos(), phase.sin()], -1)
        across = weight[..., None, None] * _across(k)
        far = [(wave * across[:, None, :, a, b].repeat(1, 1, 2)) @ wave.mT for a in range(3) for b in range(3)]
        blocks = torch.stack(far, -1).unflatten(-1, (3, 3)) + self._near(positions, cell, xi, slice(0, n))
        return blocks.transpose(2, 3).reshape(systems, 3 * n, 3 * n)

    def product(self, positions: Tensor, forces: Tensor, cell: Tensor | None = None) -> Tensor:
        """Pairs in chunks, and waves in chunks: memory grows as the number of particles."""
        cell, xi = self._split(cell, positions.shape[0])
        k, weight = self._waves(cell, xi)
        near = [
            torch.einsum("smnab,snb->sma", self._near(positions, cell, xi, rows), forces)
            for rows in chunks(positions, 9)
        ]
        total = torch.cat(near, 1)
        for some, w in zip(*(t.split(at_once(positions[..., 0].numel()), 1) for t in (k, weight))):
            phase = positions @ some.mT
            across = w[..., None, None] * _across(some)
            for wave in (phase.cos(), phase.sin()):
                total = total + wave @ torch.einsum("skab,skb->ska", across, wave.mT @ forces)
        return total

    def _split(self, cell: Tensor | None, systems: int) -> tuple[Tensor, Tensor]:
        """Cells, and ξ (S,) of each."""
        if cell is None or cell.shape != (systems, 3, 3):
            found = "none" if cell is None else tuple(cell.shape)
            raise LabkitError(f"PeriodicRotnePragerYamakawa: cell is {found}; expected ({systems}, 3, 3) Å")
        size = torch.linalg.det(cell).abs() ** (1 / 3)
        xi = self._reach() / size if self.splitting is None else torch.full_like(size, self.splitting)
        return cell, xi

    def _reach(self) -> float:
        """ξ r and k/2ξ at which exp(-x²), times the powers before it, is below the tolerance."""
        return 1.15 * math.sqrt(-math.log(self.tolerance))

    def _waves(self, cell: Tensor, xi: Tensor) -> tuple[Tensor, Tensor]:
        """Half of the wave vectors (S, K, 3) 1/Å, and their weights (S, K), which may be negative, in Å²/(eV fs)."""
        a = self.free.radius.to(cell)
        most = 2 * xi * self._reach()
        # |m_i| <= k_max |a_i| / 2π
        limits = (most[:, None] * torch.linalg.vector_norm(cell, dim=2) / (2 * math.pi)).amax(0).ceil().int().tolist()
        ranges = [range(-limit, limit + 1) for limit in limits]
        half = [m for m in itertools.product(*ranges) if m > (0, 0, 0)]
        k = 2 * math.pi * cell.new_tensor(half) @ torch.linalg.inv(cell).mT
        k = k[:, (torch.linalg.vector_norm(k, dim=2) <= most[:, None]).any(0)]
        k2, width = k.square().sum(-1), 4 * xi[:, None] ** 2
        shape = (a - a**3 * k2 / 3) * (1 + k2 / width + 2 * (k2 / width) ** 2) * torch.exp(-k2 / width)
        own, volume = self.free.own(1, cell), torch.linalg.det(cell).abs()
        return k, 2 * own * 6 * math.pi / k2 * shape / volume[:, None]

    def _near(self, positions: Tensor, cell: Tensor, xi: Tensor, rows: slice) -> Tensor:
        """The near sum, (S, m, n, 3, 3), with the self term."""
        n = positions.shape[1]
        apart = positions[:, rows, None] - positions[:, None]
        apart = apart - torch.round(apart @ torch.linalg.inv(cell)[:, None]) @ cell[:, None]
        same = torch.arange(n, device=positions.device)
        same = same[rows, None] == same
        eye = torch.eye(3, dtype=positions.dtype, device=positions.device)
        xi, total = xi[:, None, None], 0.0
        for image in _images(cell, self._reach() / float(xi.min())):
            here = (same & (image == (0, 0, 0))).expand(apart.shape[:-1])
            vectors = apart + (cell.new_tensor(image) @ cell)[:, None, None]
            square = vectors.square().sum(-1)
            # a distance of zero is replaced before the root: gradients stay finite
            zero = here | (square == 0)
            square = torch.where(zero, 4 * self.free.radius.to(square) ** 2, square)
            alpha, beta = self._pair(torch.where(zero & ~here, 0.0, square.sqrt()), xi)
            alpha, beta = torch.where(here, self._own(xi), alpha), torch.where(zero, 0.0, beta / square)
            total = total + alpha[..., None, None] * eye
            total = total + beta[..., None, None] * vectors[..., :, None] * vectors[..., None, :]
        return total

    def _own(self, xi: Tensor) -> Tensor:
        x = self.free.radius.to(xi) * xi / math.sqrt(math.pi)
        return self.free.own(1, xi) * (1 - 6 * x + 40 / 3 * math.pi * x**3)

    def _pair(self, r: Tensor, xi: Tensor) -> tuple[Tensor, Tensor]:
        """α and β of the near sum at distances r; overlapping spheres have their own branch."""
        a, own = self.free.radius.to(r), self.free.own(1, r)
        overlap = r < 2 * a
        apart = torch.where(overlap, 2 * a, r)
        x, q = (xi * apart) ** 2, a / apart
        erfc, gauss = torch.erfc(xi * apart), torch.exp(-x) / math.sqrt(math.pi)
        alpha = erfc * (0.75 * q + 0.5 * q**3) + gauss * xi * (
            a * (3 * x - 4.5) + a**3 * xi**2 * (4 * x**2 - 20 * x + 14 + 1 / x)
        )
        beta = erfc * (0.75 * q - 1.5 * q**3) + gauss * xi * (
            a * (1.5 - 3 * x) + a**3 * xi**2 * (-4 * x**2 + 16 * x - 2 - 3 / x)
        )
        if bool(overlap.any()):
            some = overlap.nonzero(as_tuple=True)
            near = self._overlapping(r[some], xi.expand_as(r)[some])
            alpha, beta = (far.index_put(some, close) for far, close in zip((alpha, beta), near))
        return own * alpha, own * beta

    def _overlapping(self, r: Tensor, xi: Tensor) -> tuple[Tensor, Tensor]:
        """The same in units of a free sphere's mobility at r < 2a: that of overlapping spheres minus the far sum.

        The terms in 1/r and 1/r³ of both, erfc - 1 = -erf times each, are combined into h(ξr), which is smooth.
        """
        a = self.free.radius.to(r)
        x, first, third = (xi * r) ** 2, a * xi, (a * xi) ** 3
        gauss, h = torch.exp(-x) / math.sqrt(math.pi), _smooth(xi * r)
        alpha = 1 - 9 / 32 * r / a - first * (0.75 * x * h + gauss * (6 - 3 * x))
        beta = 3 / 32 * r / a - first * (0.75 * x * h + gauss * 3 * x)
        alpha = alpha + third * (gauss * (4 * x**2 - 20 * x + 14) - 0.5 * h)
        return alpha, beta + third * (gauss * (-4 * x**2 + 16 * x - 2) + 1.5 * h)


def _smooth(t: Tensor) -> Tensor:
    """h = [erf(t) - 2t exp(-t²)/√π]/t³ = 4/√π Σ_k (-t²)^k/(k! (2k + 3)), by the series if t is small."""
    small = t < 0.5
    x, series = torch.where(small, t, 0.0).square(), torch.zeros_like(t)
    for k in reversed(range(13)):
        series = 1 / (math.factorial(k) * (2 * k + 3)) - x * series
    large = torch.where(small, 1.0, t)
    direct = (torch.erf(large) - 2 / math.sqrt(math.pi) * large * torch.exp(-(large**2))) / large**3
    return torch.where(small, 4 / math.sqrt(math.pi) * series, direct)


def _across(k: Tensor) -> Tensor:
    """I - k̂ k̂ᵀ, (S, K, 3, 3)."""
    direction = k / torch.linalg.vector_norm(k, dim=-1, keepdim=True)
    return torch.eye(3, dtype=k.dtype, device=k.device) - direction[..., :, None] * direction[..., None, :]


def _images(cell: Tensor, reach: float) -> list[tuple[int, ...]]:
    """Images at which a vector within half a cell of zero may be shorter than `reach`."""
    heights = 1 / torch.linalg.vector_norm(torch.linalg.inv(cell), dim=1)  # distances of opposite faces
    limits = (reach / heights.amin(0) + 0.5).ceil().int().tolist()
    lengths = torch.linalg.vector_norm(cell, dim=2).sum(1) / 2
    every = list(itertools.product(*(range(-limit, limit + 1) for limit in limits)))
    shifts = torch.linalg.vector_norm(cell.new_tensor(every) @ cell, dim=2)
    wanted = (shifts <= reach + lengths[:, None]).any(0).tolist()
    return [image for image, want in zip(every, wanted) if want]
