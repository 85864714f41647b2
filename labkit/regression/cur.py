"""CUR of a kernel: rows whose kernel functions span those of all rows, drawn by how much of them is not yet spanned."""

from __future__ import annotations

import torch
from torch import Tensor

#: a row of which less than this part of the largest k(i, i) is left depends on those chosen
DEPENDENT = 1e-10


def cur_covariance(
    features: Tensor, count: int, seed: int, *, zeta: float = 1.0, weights: Tensor | None = None
) -> Tensor:
    """`count` rows of `features` (n, F) that approximate the kernel k = (p·p')^ζ of all rows, as sorted indices.

    Each next row is drawn with a probability proportional to w_i r_i, where r_i is the part of k(i, i) outside the
    span of the rows chosen so far. What is common is covered because it is frequent, what is rare because it differs.
    Rows come in blocks: proposals are drawn from the same r_i, and each is kept with the probability that it would
    still be drawn after those before it, which gives the same distribution.

    weights   (n,) w_i, how often a row occurs; 1 if not given

    Source: Chen, Epperly, Tropp, Webber, Comm. Pure Appl. Math. 78, 995 (2025); blocks: Epperly, Tropp, Webber,
    arXiv:2410.03969 (2024).
    """
    generator = torch.Generator().manual_seed(seed)
    features = features.to(torch.float64)
    left = features.square().sum(1) ** zeta
    weights, smallest = torch.ones_like(left) if weights is None else weights.to(left), DEPENDENT * float(left.max())
    basis, chosen = left.new_zeros(len(left), count), torch.empty(0, dtype=torch.int64, device=left.device)
    while len(chosen) < count and bool((left > 0).any()):
        known = basis[:, : len(chosen)]
        proposed = torch.multinomial((weights * left).cpu(), 32, replacement=True, generator=generator).to(left.device)
        inner = _kernel(features[proposed], features[proposed], zeta) - known[proposed] @ known[proposed].mT
        kept = _kept(inner, smallest, generator)[: count - len(chosen)]
        if not kept:  # rounding: nothing of these is left
            left[proposed] = 0.0
            continue
        new, lower = proposed[kept], torch.linalg.cholesky(inner[kept][:, kept])
        block = _kernel(features, features[new], zeta) - known @ known[new].mT
        block = torch.linalg.solve_triangular(lower, block.mT, upper=False).mT
        basis[:, len(chosen) : len(chosen) + len(new)] = block
        left -= block.square().sum(1)
        left[left <= smallest] = 0.0
        chosen = torch.cat([chosen, new])
        left[chosen] = 0.0
    return _filled(chosen, count, len(features), generator).sort().values


def _kernel(a: Tensor, b: Tensor, zeta: float) -> Tensor:
    similar = a @ b.mT
    return similar**zeta if zeta == int(zeta) else similar.clamp(min=0.0) ** zeta


def _kept(inner: Tensor, smallest: float, generator: torch.Generator) -> list[int]:
    """The proposals that stay: each with the probability (what is left of it now)/(what was left of it at first)."""
    rest, luck, kept = inner.cpu().clone(), torch.rand(len(inner), dtype=torch.float64, generator=generator), []
    for k, bound in enumerate((luck * rest.diagonal()).clamp(min=smallest).tolist()):
        if float(rest[k, k]) > bound:
            column = rest[:, k] / rest[k, k].sqrt()
            rest -= column[:, None] * column
            kept.append(k)
    return kept


def _filled(chosen: Tensor, count: int, total: int, generator: torch.Generator) -> Tensor:
    """`count` rows: others at random are added if those chosen already span all."""
    free = torch.ones(total, dtype=torch.bool)
    free[chosen.cpu()] = False
    others = torch.nonzero(free)[:, 0]
    others = others[torch.randperm(len(others), generator=generator)[: count - len(chosen)]]
    return torch.cat([chosen, others.to(chosen.device)])
