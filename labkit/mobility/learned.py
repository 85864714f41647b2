"""Learned mobilities: symmetric and covariant under rotations by construction."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labkit.errors import LabkitError
from labkit.mobility.mobility import Mobility
from labkit.mobility.pair import PairMobility, positive

WIDEST = 4096  # of a hidden layer


class RadialNet(nn.Module):
    """Smooth functions of a distance that decay as 1/r: u times a small network of u, with u = s/(r + s).

    A polynomial in 1/r, such as every far-field mobility, is a smooth function of u there.
    """

    def __init__(self, outputs: int, width: int, scale: float, seed: int) -> None:
        super().__init__()
        if type(width) is not int or not 1 <= width <= WIDEST:
            raise LabkitError(f"width is {width!r:.40}, expected a whole number from 1 to {WIDEST}")
        if type(seed) is not int or abs(seed) >= 2**63:
            raise LabkitError(f"seed is {seed!r:.40}, expected a whole number of 64 bits")
        self.register_buffer("scale", positive(scale, "scale", "Å"))
        self.layers = nn.Sequential(
            nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, outputs)
        ).double()
        generator = torch.Generator().manual_seed(seed)
        self.spreads: dict[str, float] = {}  # of the initial values, by parameter
        with torch.no_grad():
            for name, layer in self.layers.named_children():
                if isinstance(layer, nn.Linear):
                    spread, last = 1.5 / layer.in_features**0.5, 0.1 if layer is self.layers[-1] else 1.0
                    layer.weight.copy_(spread * torch.randn(layer.weight.shape, generator=generator))
                    layer.weight.mul_(last)
                    layer.bias.copy_(0.5 * torch.randn(layer.bias.shape, generator=generator))
                    self.spreads |= {f"layers.{name}.weight": last * spread, f"layers.{name}.bias": 0.5}

    def forward(self, r: Tensor) -> Tensor:
        """r (...) Å to (..., outputs)."""
        u = (self.scale / (r + self.scale))[..., None]
        return u * self.layers(2 * u - 1)


class PairModel(PairMobility):
    """M_ii = μ I; M_ij = μ tanh(g∥(r)) along r̂ and μ tanh(g⊥(r)) across it, with learned g: positive for any pair.

    The eigenvalues of a pair are μ (1 ± tanh g) > 0. For more particles that is not enough: `check_positive` and the
    Brownian integrator report where it fails, naming the particles. Then use a WholeModel, or a repulsion.

    own    a first guess of μ in Å²/(eV fs), such as from `estimate`; learned
    scale  Å over which the functions vary, about a diameter
    width  of the two hidden layers

    >>> m = PairModel(own=1e-3, scale=20.0)
    >>> x = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 9.0]]], dtype=torch.float64)
    >>> bool((torch.linalg.eigvalsh(m.matrix(x)) > 0).all())
    True
    """

    def __init__(self, own: float, scale: float, width: int = 16, seed: int = 0) -> None:
        super().__init__()
        self.settings = {"own": float(own), "scale": float(scale), "width": width, "seed": seed}
        self.log_own = nn.Parameter(positive(own, "own", "Å²/(eV fs)").log())
        self.radial = RadialNet(2, width, scale, seed)

    @property
    def spreads(self) -> dict[str, float]:
        """Expected deviation of each parameter from its initial value, before any data: standard deviations by name."""
        return {"log_own": 1.0} | {f"radial.{name}": spread for name, spread in self.radial.spreads.items()}

    def own(self, n: int, like: Tensor) -> Tensor:
        return self.log_own.exp().to(like)

    def functions(self, r: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        along, across = (self.own(1, r) * torch.tanh(self.radial(r))).unbind(-1)
        return across, along - across


class WholeModel(Mobility):
    """M = L Lᵀ of the whole system: positive semi-definite for any number of particles at any positions.

    L_ij = s (a(r) I + b(r) r̂ r̂ᵀ) between particles and L_ii = s (I + Σ_k (c(r_ik) I + d(r_ik) r̂ r̂ᵀ)), with learned
    functions that decay as 1/r and, in the sum, as 1/r²: L resembles a square root of the mobility, and the sum lets
    M_ii stay constant although each neighbour adds L_ik L_ikᵀ to it. Symmetric, covariant under rotations, and
    the same for any order of the particles.

    Parameters as of PairModel; s² is the mobility of an isolated particle.
    """

    def __init__(self, own: float, scale: float, width: int = 16, seed: int = 0) -> None:
        super().__init__()
        self.settings = {"own": float(own), "scale": float(scale), "width": width, "seed": seed}
        self.log_own = nn.Parameter(positive(own, "own", "Å²/(eV fs)").log())
        self.radial = RadialNet(4, width, scale, seed)

    def factor(self, positions: Tensor) -> Tensor:
        """L (S, 3n, 3n), symmetric."""
        systems, n, _ = positions.shape
        eye = torch.eye(3, dtype=positions.dtype, device=positions.device)
        same = torch.eye(n, dtype=torch.bool, device=positions.device)
        apart = positions[:, :, None] - positions[:, None]
        square = apart.square().sum(-1)
        # as in PairMobility: no direction if two are at the same place, and gradients that stay finite
        zero = same | (square == 0)
        away = torch.where(zero, 1.0, square).sqrt()
        r = torch.where(zero & ~same, 0.0, away)
        outer = (apart / away[..., None])[..., :, None] * (apart / away[..., None])[..., None, :]
        a, b, c, d = torch.where(same[..., None], 0.0, self.radial(r))[..., None, None].unbind(-3)
        beside = a * eye + b * outer
        u = (self.radial.scale / (r + self.radial.scale))[..., None, None]
        around = eye + (u * (c * eye + d * outer)).sum(2)
        blocks = beside + same[..., None, None] * around[:, :, None]
        return (0.5 * self.log_own).exp() * blocks.transpose(2, 3).reshape(systems, 3 * n, 3 * n)

    def matrix(self, positions: Tensor, cell: Tensor | None = None) -> Tensor:
        factor = self.factor(positions)
        return factor @ factor.mT

    def product(self, positions: Tensor, forces: Tensor, cell: Tensor | None = None) -> Tensor:
        factor = self.factor(positions)
        return (factor @ (factor.mT @ forces.flatten(1)[..., None])).view_as(forces)


MODELS: dict[str, type[Mobility]] = {"pair": PairModel, "whole": WholeModel}


def model_of(kind: str, settings: dict[str, float]) -> Mobility:
    """A learned mobility by its name in files. Raises LabkitError for another name."""
    if not isinstance(kind, str) or kind not in MODELS:
        raise LabkitError(f"mobility model of kind {kind!r:.60}; expected one of {list(MODELS)}")
    return MODELS[kind](**settings)
