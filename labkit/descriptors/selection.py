"""A few representative features: farthest-point sampling and CUR of the columns, deterministic."""

from __future__ import annotations

from collections.abc import Callable

import torch
from scipy.linalg import qr
from torch import Tensor

from labkit.errors import LabkitError, suggest


def farthest_features(samples: Tensor, count: int) -> Tensor:
    """Farthest-point sampling of columns: first the longest, then each time the one farthest from those chosen.

    Source: Imbalzano et al., J. Chem. Phys. 148, 241730 (2018).
    """
    columns = samples.mT.contiguous()
    squares = columns.square().sum(1)
    chosen = [int(squares.argmax())]
    nearest = torch.full_like(squares, torch.inf)
    for _ in range(count - 1):  # each choice depends on all previous ones
        last = columns[chosen[-1]]
        nearest = torch.minimum(nearest, squares + last @ last - 2 * (columns @ last))
        nearest[chosen[-1]] = -torch.inf  # equal columns have distance zero; none is chosen twice
        chosen.append(int(nearest.argmax()))
    return torch.tensor(chosen, device=samples.device)


def cur_features(samples: Tensor, count: int) -> Tensor:
    """CUR: the columns that span the leading right singular vectors best, by QR with pivoting of these vectors.

    Source: Sorensen and Embree, SIAM J. Sci. Comput. 38, A1454 (2016), with the pivots of Drmač and Gugercin,
    SIAM J. Sci. Comput. 38, A631 (2016).
    """
    right = torch.linalg.svd(samples, full_matrices=False).Vh[:count]
    *_, order = qr(right.cpu().numpy(), mode="economic", pivoting=True)
    return torch.as_tensor(order[:count], dtype=torch.int64, device=samples.device)


METHODS: dict[str, Callable[[Tensor, int], Tensor]] = {"fps": farthest_features, "cur": cur_features}


def select_features(samples: Tensor, count: int, method: str = "fps") -> Tensor:
    """Ascending indices of `count` columns of `samples` (n, F) or (n, 2λ+1, F), by one of METHODS.

    All components μ of a feature count together, so that the choice does not depend on how samples are rotated.
    Raises LabkitError for an unknown method and for more features than there are.

    >>> select_features(torch.eye(5, dtype=torch.float64) * torch.arange(5), 2).tolist()
    [3, 4]
    """
    if method not in METHODS:
        raise LabkitError(
            f"unknown feature selection {method!r}; expected one of {', '.join(METHODS)}{suggest(method, METHODS)}"
        )
    if not 1 <= count <= samples.shape[-1]:
        raise LabkitError(f"{count} features were requested, but there are only {samples.shape[-1]}; request fewer")
    return METHODS[method](samples.flatten(0, -2), count).sort().values
