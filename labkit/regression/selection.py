"""Choosing representative rows: at random, by farthest-point sampling, by CUR."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labkit.errors import LabkitError, suggest
from labkit.regression.cur import cur_covariance, cur_points


def random_points(features: Tensor, count: int, seed: int) -> Tensor:
    """`count` different rows of `features` (n, F), as sorted indices."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(len(features), generator=generator)[:count].sort().values.to(features.device)


def farthest_points(
    features: Tensor, count: int, seed: int, *, known: Tensor | None = None, first: int | None = None
) -> Tensor:
    """Farthest-point sampling: each next row is the one farthest from those chosen, in order of choice.

    known   (K, F) rows that count as chosen already
    first   where to begin; without it the farthest from those known or, if there are none, a row drawn at random

    Source: Imbalzano et al., J. Chem. Phys. 148, 241730 (2018).
    """
    chosen = torch.empty(count, dtype=torch.int64, device=features.device)
    squares = features.square().sum(1)
    nearest = torch.full_like(squares, torch.inf)
    known = features[:0] if known is None else known
    for rows in known.split(256) if len(known) else ():
        found = squares[:, None] + rows.square().sum(1) - 2 * (features @ rows.mT)
        nearest = torch.minimum(nearest, found.amin(1))
    for k in range(count):  # each choice depends on all previous ones
        if k or first is None and len(known):
            chosen[k] = nearest.argmax()
        else:
            chosen[k] = random_points(features, 1, seed) if first is None else first
        last = features[chosen[k]]
        nearest = torch.minimum(nearest, squares + last @ last - 2 * (features @ last))
        nearest[chosen[: k + 1]] = -torch.inf  # equal rows have distance zero; none is chosen twice
    return chosen


METHODS: dict[str, Callable[..., Tensor]] = {
    "random": random_points,
    "fps": farthest_points,
    "cur_points": cur_points,
    "cur_covariance": cur_covariance,
}


def select(
    features: Tensor,
    count: int,
    method: str = "cur_points",
    seed: int = 0,
    *,
    zeta: float = 1.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Indices of `count` rows of `features` (n, F) by one of METHODS.

    zeta      exponent of the kernel (p·p')^ζ, for CUR
    weights   (n,) how often each row occurs, for CUR; 1 if not given

    >>> select(torch.eye(4, dtype=torch.float64), 2, "random").shape
    torch.Size([2])
    """
    if method not in METHODS:
        raise LabkitError(
            f"unknown selection {method!r}; expected one of {', '.join(METHODS)}{suggest(method, METHODS)}"
        )
    if count > len(features):
        raise LabkitError(f"{count} points were requested, but there are only {len(features)}; request fewer")
    kernel = {"zeta": zeta, "weights": weights} if method.startswith("cur") else {}
    return METHODS[method](features, count, seed, **kernel)
