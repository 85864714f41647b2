"""Covariances of tensors: k_λ(i, j) = p_i,λ·p_j,λ (p_i,0·p_j,0)^(ζ-1) of environments, summed to rows."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.polarizability.environments import Environments

_CHUNK = 2_000_000  # elements of a block of kernels: 16 MB


def covariance(a: Environments, b: Environments, degree: int, zeta: float) -> Tensor:
    """Σ_i∈row Σ_j∈column w_i w_j k_λ(i, j) for centres of one species, (rows, 2λ+1, columns, 2λ+1).

    Source: Grisafi, Wilkins, Csányi, Ceriotti, Phys. Rev. Lett. 120, 036002 (2018).
    """
    size = 2 * degree + 1
    out = a.weight.new_zeros(a.n_groups, size, b.n_groups, size)
    for z in torch.unique(a.numbers).tolist():
        mine, theirs = (torch.nonzero(x.numbers == z)[:, 0] for x in (a, b))
        if not len(theirs):
            continue
        q, q0 = b.features[degree][theirs] * b.weight[theirs, None, None], b.features[0][theirs, 0]
        q = q.flatten(0, 1).mT.contiguous()
        for part in mine.split(max(1, _CHUNK // (size * q.shape[1]))):
            p, p0 = a.features[degree][part] * a.weight[part, None, None], a.features[0][part, 0]
            k = (p.flatten(0, 1) @ q).view(len(part), size, len(theirs), size)
            if zeta != 1:
                k *= power(p0 @ q0.mT, zeta - 1)[:, None, :, None]
            first = int(a.group[part[0]])
            rows = a.group[part] - first  # neighbours in the batch: first sum them, then the columns
            k = k.new_zeros(int(rows[-1]) + 1, *k.shape[1:]).index_add_(0, rows, k)
            out[first : first + len(k)].index_add_(2, b.group[theirs], k)
    return out


def self_covariance(a: Environments, degree: int, zeta: float) -> tuple[Tensor, Tensor]:
    """w_i w_i k(i, i) and Σ_j w_i w_j k(i, j) over the j of i's frame and species, both (J, 2λ+1, 2λ+1)."""
    size = 2 * degree + 1
    own = a.weight.new_zeros(len(a.numbers), size, size)
    summed = own.clone()
    for z in torch.unique(a.numbers).tolist():
        atoms = torch.nonzero(a.numbers == z)[:, 0]
        frames, inverse, counts = torch.unique_consecutive(a.frame[atoms], return_inverse=True, return_counts=True)
        longest = int(counts.max())
        place = torch.arange(len(atoms)).to(atoms) - (counts.cumsum(0) - counts)[inverse] + inverse * longest

        def padded(values: Tensor) -> Tensor:
            """(atoms, ...) as (frames, longest, ...)."""
            empty = values.new_zeros(len(frames) * longest, *values.shape[1:])  # noqa: B023 (used at once)
            return empty.index_copy(0, place, values).unflatten(0, (-1, longest))  # noqa: B023

        p, p0 = padded(a.features[degree][atoms] * a.weight[atoms, None, None]), padded(a.features[0][atoms, 0])
        k = (p.flatten(1, 2) @ p.flatten(1, 2).mT).view(-1, longest, size, longest, size)
        k = k * power(p0 @ p0.mT, zeta - 1)[:, :, None, :, None]
        summed[atoms] = k.sum(3).flatten(0, 1)[place]
        own[atoms] = torch.diagonal(k, dim1=1, dim2=3).permute(0, 3, 1, 2).flatten(0, 1)[place]
    return own, summed


def power(base: Tensor, exponent: float) -> Tensor:
    """base**exponent; for non-integer exponents negative similarities count as zero."""
    if exponent == int(exponent):
        return base ** int(exponent)
    return base.clamp(min=1e-300) ** exponent


def pooled(values: Tensor, frame: Tensor, counts: Tensor, of: str) -> Tensor:
    """Values of atoms (n, ...) as the target's rows: sums or means of frames, or per atom, centred for 'neutral'."""
    if of == "atom":
        return values
    total = values.new_zeros(len(counts), *values.shape[1:]).index_add(0, frame, values)
    if of == "cell":
        return total
    mean = total / counts.to(values).view(-1, *[1] * (values.ndim - 1))
    return mean if of == "mean" else values - mean.index_select(0, frame)
