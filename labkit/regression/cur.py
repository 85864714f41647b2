"""CUR: rows that represent all, half of them by their leverage, the others by what is not yet spanned."""

from __future__ import annotations

import torch
from torch import Tensor

#: a row of which less than this part of the largest k(i, i) is left depends on those chosen
DEPENDENT = 1e-10


def cur_points(features: Tensor, count: int, seed: int, *, zeta: float = 1.0, weights: Tensor | None = None) -> Tensor:
    """`count` rows of `features` (n, F) that represent all, with the kernel k = (p·p')^ζ, as sorted indices.

    Leverage alone takes the most different rows. What it leaves of frequent, nearly equal rows is small for each, but
    adds up coherently over the atoms of a frame: a crystal beside its melt would seem the least certain. So only half
    of the rows are those of largest leverage. Each further one is drawn with a probability proportional to w_i r_i,
    where r_i is the part of k(i, i) outside the span of the rows chosen so far. They come in blocks: proposals are
    drawn from the same r_i, and each is kept with the probability that it would still be drawn after those before it,
    which gives the same distribution.

    weights   (n,) w_i, how often a row occurs; 1 if not given

    Source: leverage: Mahoney and Drineas, PNAS 106, 697 (2009); the others: Chen, Epperly, Tropp, Webber, Comm. Pure
    Appl. Math. 78, 995 (2025); blocks: Epperly, Tropp, Webber, arXiv:2410.03969 (2024).
    """
    first = leverage(features, count // 2)
    return spanning(features, count, seed, zeta=zeta, weights=weights, first=first).sort().values


def cur_covariance(
    features: Tensor, count: int, seed: int, *, zeta: float = 1.0, weights: Tensor | None = None
) -> Tensor:
    """As `cur_points`, but all rows are drawn by what is not yet spanned."""
    first = torch.empty(0, dtype=torch.int64, device=features.device)
    return spanning(features, count, seed, zeta=zeta, weights=weights, first=first).sort().values


def leverage(features: Tensor, count: int) -> Tensor:
    """The rows with the largest leverage Σ_k u_ik² on the leading singular vectors, as sorted indices.

    As many vectors are used as are needed for all but 1e-6 of the variance, at most `count`.
    """
    if not count:
        return torch.empty(0, dtype=torch.int64, device=features.device)
    values, vectors = torch.linalg.eigh(features.T @ features)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    lost = 1 - values.cumsum(0) / values.sum()
    rank = min(count, int((lost > 1e-6).sum()) + 1)
    left = features @ (vectors[:, :rank] / values[:rank].sqrt())
    return left.square().sum(1).topk(count).indices.sort().values


def spanning(
    features: Tensor, count: int, seed: int, *, zeta: float = 1.0, weights: Tensor | None = None, first: Tensor
) -> Tensor:
    """The rows `first` and others drawn by what is not yet spanned, `count` in all, in order of choice."""
    generator = torch.Generator().manual_seed(seed)
    features = features.to(torch.float64)
    left = features.square().sum(1) ** zeta
    weights, smallest = torch.ones_like(left) if weights is None else weights.to(left), DEPENDENT * float(left.max())
    basis, chosen = left.new_zeros(len(left), count), first
    if len(first):
        basis[:, : len(first)], explained = _spanned(features, first, zeta)
        left = _rest(left - explained, smallest, first)
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
        chosen = torch.cat([chosen, new])
        left = _rest(left - block.square().sum(1), smallest, chosen)
    return _filled(chosen, count, len(features), generator)


def _rest(left: Tensor, smallest: float, chosen: Tensor) -> Tensor:
    left = torch.where(left <= smallest, 0.0, left)
    left[chosen] = 0.0
    return left


def _spanned(features: Tensor, rows: Tensor, zeta: float) -> tuple[Tensor, Tensor]:
    """Coordinates (n, m) of all rows in the span of some, which may depend on one another, and their squares (n,)."""
    values, vectors = torch.linalg.eigh(_kernel(features[rows], features[rows], zeta))
    scaled = torch.where(values > DEPENDENT * values.max(), values, torch.inf).rsqrt()
    found = _kernel(features, features[rows], zeta) @ (vectors * scaled)
    return found, found.square().sum(1)


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
