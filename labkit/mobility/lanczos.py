"""Square roots of a mobility times a vector from products alone: Lanczos' method."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from labkit.errors import LabkitError

#: Iterations after which it is given up.
MOST = 200


def lanczos(
    apply: Callable[[Tensor], Tensor], z: Tensor, tolerance: float, powers: Sequence[float] = (0.5,)
) -> tuple[list[Tensor], int]:
    """M^p z (S, d) for each power p, as 1/2 or -1/2, and the number of products: y_m = |z| V_m T_m^p e_1.

    V_m is the orthonormal basis of z, M z, M² z, ... and T_m = V_mᵀ M V_m, tridiagonal. Memory grows as m d. Ends when
    each y_m differs from y_(m-1) by less than `tolerance`, relative, in every system.

    Chow and Saad, SIAM J. Sci. Comput. 36, A588 (2014). Raises LabkitError when M is found not to be positive (an
    eigenvalue of T_m is one that M has below it), and when `MOST` products are not enough.

    >>> m = torch.diag(torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64))
    >>> (y,), products = lanczos(lambda v: v @ m, torch.ones(1, 3, dtype=torch.float64), 1e-10)
    >>> [round(float(x), 8) for x in y[0]], products
    ([1.0, 2.0, 3.0], 3)
    """
    size = z.norm(dim=1)
    basis = (z / size[:, None])[:, None]
    diagonal, beside = [], []
    last: Tensor | None = None
    for count in range(1, MOST + 1):
        v = basis[:, -1]
        w = apply(v)
        diagonal.append((v * w).sum(1))
        for _ in range(2):  # rounding spoils orthogonality: twice is enough
            w = w - torch.einsum("sk,skd->sd", torch.einsum("skd,sd->sk", basis, w), basis)
        found = size[:, None] * _first_columns(diagonal, beside, powers)
        whole = count == z.shape[1]
        if last is not None or whole:
            change = found if last is None else torch.cat([found[..., :-1] - last, found[..., -1:]], -1)
            error = change.norm(dim=-1) / found.norm(dim=-1)
            if whole or bool((error < tolerance).all()):
                return list(torch.einsum("psk,skd->psd", found, basis)), count
        last = found
        length = w.norm(dim=1)
        # a system whose space is exhausted goes on with zeros, which change nothing
        ended = length <= 1e-13 * diagonal[0].abs()
        beside.append(torch.where(ended, 0.0, length))
        basis = torch.cat([basis, torch.where(ended, 0.0, 1 / length)[:, None, None] * w[:, None]], 1)
    raise LabkitError(
        f"noise by Lanczos: after {MOST} products the result still changes by {float(error.max()):.2g}, more than the "
        f"tolerance {tolerance:g}; particles may overlap almost entirely: keep them apart, allow a larger tolerance, "
        "or use noise='cholesky'"
    )


def _first_columns(diagonal: list[Tensor], beside: list[Tensor], powers: Sequence[float]) -> Tensor:
    """T^p e_1 for each power, (p, S, m)."""
    t = torch.diag_embed(torch.stack(diagonal, 1))
    if beside:
        off = torch.diag_embed(torch.stack(beside, 1), 1)
        t = t + off + off.mT
    values, vectors = torch.linalg.eigh(t)
    reached = values.abs() > 1e-12 * values[:, -1:].abs()  # zeros belong to spaces that have ended
    lowest = float(values[:, 0].min())
    if bool((reached & (values < 0)).any()) or not bool(torch.isfinite(values).all()):
        system = int(values[:, 0].argmin())
        raise LabkitError(
            f"the mobility of system {system} is not positive semi-definite: it has an eigenvalue of {lowest:.4g} "
            "Å²/(eV fs) or below. noise='cholesky' says which particles; use RotnePragerYamakawa instead of Oseen, or "
            "keep particles apart"
        )
    values = torch.where(reached, values, 1.0)
    return torch.stack(
        [torch.einsum("sak,sk->sa", vectors, values**power * reached * vectors[:, 0]) for power in powers]
    )
