"""The divergence of a mobility, (∇·M)_i = Σ_j ∂M_ij/∂x_j: exact, or by one random direction."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.mobility.mobility import Mobility, at_once


def divergence(mobility: Mobility, positions: Tensor, cell: Tensor | None = None) -> Tensor:
    """∇·M, (S, n, 3) Å/(eV fs), by autograd: 3n derivatives of products, many at once; for small systems.

    >>> from labkit.mobility import WallRotnePragerYamakawa
    >>> x = torch.tensor([[[0.0, 0.0, 20.0]]], dtype=torch.float64)
    >>> m = WallRotnePragerYamakawa(radius=10.0, viscosity=1.0)
    >>> [round(1e6 * float(d), 4) for d in divergence(m, x)[0, 0]]  # away from the wall
    [0.0, 0.0, 104.6527]
    """
    systems, n, _ = positions.shape
    unit = torch.eye(3 * n, dtype=positions.dtype, device=positions.device).view(3 * n, 1, n, 3)
    some = at_once(systems * n * n * 9)
    return torch.stack([_along(mobility, positions, cell, part) for part in unit.split(some)]).sum(0)


def _along(mobility: Mobility, positions: Tensor, cell: Tensor | None, unit: Tensor) -> Tensor:
    """Σ_j ∂M/∂x_j e_j over some unit vectors e_j (m, 1, n, 3), each with its copy of the systems.

    A forward derivative from two backward ones: g = (∂(M e)/∂x)ᵀ v is linear in v, and ∂(g e)/∂v = (∂(M e)/∂x) e.
    """
    followed = positions.requires_grad or any(p.requires_grad for p in mobility.parameters())
    keep = followed and torch.is_grad_enabled()
    with torch.enable_grad():
        here = positions if keep and positions.requires_grad else positions.detach().requires_grad_()
        shape = (len(unit), *positions.shape)
        x, e = here.expand(shape).flatten(0, 1), unit.expand(shape).flatten(0, 1)
        cells = None if cell is None else cell.expand(len(unit), *cell.shape).flatten(0, 1)
        velocity = mobility.product(x, e, cells)
        v = torch.zeros_like(velocity, requires_grad=True)
        (back,) = torch.autograd.grad(velocity, x, v, create_graph=True)
        if not back.requires_grad:  # M does not depend on the position
            return torch.zeros_like(positions)
        (forward,) = torch.autograd.grad((back * e).sum(), v, create_graph=keep)
    return forward.view(shape).sum(0)


def random_divergence(
    mobility: Mobility, positions: Tensor, random: Tensor, delta: float, cell: Tensor | None = None
) -> Tensor:
    """An estimate of ∇·M whose mean is correct to δ²: [M(x + δ/2 w) - M(x - δ/2 w)] w/δ with <w wᵀ> = I; two products.

    Random finite differences: Delong, Balboa Usabiaga, Delgado-Buscalioni, Griffith and Donev, J. Chem. Phys. 140,
    134110 (2014). random (S, n, 3), standard normal; delta in Å.
    """
    ahead = mobility.product(positions + 0.5 * delta * random, random, cell)
    behind = mobility.product(positions - 0.5 * delta * random, random, cell)
    return (ahead - behind) / delta
