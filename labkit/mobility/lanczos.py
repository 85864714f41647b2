"""Square roots of a mobility times a vector from products alone: Lanczos' method."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from labkit.errors import LabkitError
from labkit.mobility.positive import ROUNDING, not_finite, not_positive

#: Largest number of iterations.
MOST = 200
#: A negative eigenvalue is reported, with its motion, when it is this many times its possible error.
MARGIN = 4


def lanczos(
    apply: Callable[[Tensor], Tensor],
    z: Tensor,
    positions: Tensor,
    tolerance: float,
    powers: Sequence[float] = (0.5,),
    least: int | Tensor = 0,
) -> tuple[list[Tensor], int]:
    """M^p z (S, d) for each power p, such as 1/2 or -1/2, and the number of products: y_m = |z| V_m T_m^p e_1.

    V_m is the orthonormal basis of z, M z, M² z, ... and T_m = V_mᵀ M V_m, tridiagonal. Memory grows as m d. Ends for a
    system when each y_m differs from y_(m-1) by less than `tolerance`, relative, after `least` products, one number or
    (S,): the result for a system does not depend on how many the others need.

    Chow and Saad, SIAM J. Sci. Comput. 36, A588 (2014). Raises LabkitError, with the particles at `positions`
    (S, n, 3), when M is not finite or has an eigenvalue below zero, and when `MOST` products are not enough. Such an
    eigenvalue is one of T_m, and M has it or a lower one; iterations continue until its motion is known. Noise may
    converge before it is found: `certain` returns how many products find it.

    >>> m = torch.diag(torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64))
    >>> (y,), products = lanczos(lambda v: v @ m, torch.ones(1, 3, dtype=torch.float64), torch.zeros(1, 1, 3), 1e-10)
    >>> [round(float(x), 8) for x in y[0]], products
    ([1.0, 2.0, 3.0], 3)
    """
    size = z.norm(dim=1)
    basis = (z / size[:, None])[:, None]
    diagonal, beside = [], []
    last: Tensor | None = None
    done, answer = torch.zeros(len(z), dtype=torch.bool, device=z.device), z.new_zeros(len(powers), *z.shape)
    enough = torch.as_tensor(least, device=z.device).clamp(max=MOST)
    for count in range(1, MOST + 1):
        v = basis[:, -1]
        w = apply(v)
        diagonal.append((v * w).sum(1))
        for _ in range(2):  # rounding spoils orthogonality: twice is enough
            w = w - torch.einsum("sk,skd->sd", torch.einsum("skd,sd->sk", basis, w), basis)
        length = w.norm(dim=1)
        _check_finite(diagonal[-1] + length, positions)
        values, vectors = _eigen(diagonal, beside)
        lowest, highest, doubt = values[:, 0], values[:, -1], length * vectors[:, -1, 0].abs()
        whole = count == z.shape[1]
        negative = lowest < -ROUNDING[z.dtype] * highest.abs()
        known = ~done & negative & ((MARGIN * doubt < lowest.abs()) | (count == MOST) | whole)
        if bool(known.any()):
            s = int(known.nonzero()[0])
            mode = vectors[s, :, 0] @ basis[s]
            raise LabkitError(not_positive(s, float(lowest[s]), mode, positions[s], float(highest[s])))
        found = size[:, None] * _first_columns(values, vectors, powers)
        if last is not None or whole:
            change = found if last is None else torch.cat([found[..., :-1] - last, found[..., -1:]], -1)
            error = change.norm(dim=-1) / found.norm(dim=-1)
            ready = (count >= enough) & ~negative & (error < tolerance).all(0) | whole
            new = torch.nonzero(ready & ~done).flatten()
            answer[:, new] = torch.einsum("psk,skd->psd", found[:, new], basis[new])
            done = done | ready
            if bool(done.all()):
                return list(answer), count
        last = found
        # a system whose space is exhausted continues with zeros, which change nothing
        ended = length <= 1e-13 * diagonal[0].abs()
        beside.append(torch.where(ended, 0.0, length))
        basis = torch.cat([basis, torch.where(ended, 0.0, 1 / length)[:, None, None] * w[:, None]], 1)
    raise LabkitError(
        f"noise by Lanczos: after {MOST} products the result still changes by {float(error[:, ~done].max()):.2g}, more "
        f"than the tolerance {tolerance:g}; particles may overlap almost entirely: keep them apart, allow a larger "
        "tolerance, or use noise='cholesky'"
    )


def certain(size: int, share: float = 0.01, risk: float = 1e-3) -> int:
    """Products after which T_m of a random z (size,) has an eigenvalue below zero, except with probability `risk`, if
    the lowest one of M is below zero by this share of the spread of all.

    m = 1/2 + ln(1.648 √size/risk)/(2 √share): a bound for any spectrum; if few eigenvalues lie below the others a
    third is enough. Kuczyński and Woźniakowski, SIAM J. Matrix Anal. Appl. 13, 1094 (1992).

    >>> certain(30_000)
    64
    """
    return math.ceil(0.5 + math.log(1.648 * size**0.5 / risk) / (2 * share**0.5))


def _check_finite(numbers: Tensor, positions: Tensor) -> None:
    lost = torch.nonzero(~torch.isfinite(numbers)).flatten().tolist()
    if lost:
        raise LabkitError(not_finite(lost[0], positions[lost[0]]))


def _eigen(diagonal: list[Tensor], beside: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Eigenvalues (S, m), ascending, and eigenvectors of T_m."""
    t = torch.diag_embed(torch.stack(diagonal, 1))
    if beside:
        off = torch.diag_embed(torch.stack(beside, 1), 1)
        t = t + off + off.mT
    return torch.linalg.eigh(t)


def _first_columns(values: Tensor, vectors: Tensor, powers: Sequence[float]) -> Tensor:
    """T^p e_1 for each power, (p, S, m); motions of zero mobility, or in exhausted spaces, are left out."""
    reached = values > 1e-12 * values[:, -1:].abs()
    values = torch.where(reached, values, 1.0)
    return torch.stack(
        [torch.einsum("sak,sk->sa", vectors, values**power * reached * vectors[:, 0]) for power in powers]
    )
