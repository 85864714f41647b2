"""The prior variance of forces from a SOAP kernel: second derivatives between all environments that an atom moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from labkit.base import Neighbours, System
from labkit.gap.powers import raised

if TYPE_CHECKING:
    from labkit.gap.soap_term import SoapTerm

FLOATS = 8_000_000  # of derivatives in memory together


def soap_force_variance(
    term: SoapTerm, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours
) -> Tensor:
    """Variances of the components of forces (n, 3), (eV/Å)², before any data.

    With D_i = dp̂_i/dr for a component r of an atom's position and s = p̂_i·p̂_j, summed over environments i, j of one
    species that contain the atom: Σ_ij ζ δ² [s^(ζ-1) D_i·D_j + (ζ - 1) s^(ζ-2) (D_i·p̂_j)(D_j·p̂_i)].
    """
    centre, moved, changes, coefficients = _changes(term, system, positions, cell, neighbours)
    power, length = term.descriptor.normalised(coefficients)
    kept = torch.nonzero(torch.isin(system.numbers[centre], torch.tensor(term.centres).to(centre))).squeeze(1)
    order = kept[torch.argsort(moved[kept], stable=True)]
    counts = torch.bincount(moved[order], minlength=system.n_atoms)
    longest = int(counts.max()) if len(order) else 0
    found = power.new_zeros(system.n_atoms, 3)
    if not longest:
        return found
    first = counts.cumsum(0) - counts
    each = max(1, FLOATS // (3 * longest * term.descriptor.n_features))
    for atoms in torch.arange(system.n_atoms, device=order.device).split(each):
        rows = order[int(first[atoms[0]]) : int(first[atoms[-1]] + counts[atoms[-1]])]
        slot = (moved[rows] - atoms[0]) * longest + torch.arange(len(rows), device=rows.device)
        slot = slot - (first[moved[rows]] - first[atoms[0]])
        i = centre[rows]
        slopes = term.descriptor.change(coefficients[i], changes(rows), power[i], length[i])
        shape = (len(atoms), longest)
        slopes = (
            slopes.new_zeros(len(atoms) * longest, *slopes.shape[1:]).index_copy(0, slot, slopes).unflatten(0, shape)
        )
        spectra = (
            power.new_zeros(len(atoms) * longest, power.shape[1]).index_copy(0, slot, power[i]).unflatten(0, shape)
        )
        kinds = torch.zeros(len(atoms) * longest).to(i).index_copy(0, slot, system.numbers[i]).unflatten(0, shape)
        same = (kinds[:, :, None] == kinds[:, None]) & (kinds > 0)[:, None]
        found[atoms] = _variance(term, slopes, spectra, same)
    return found


def _variance(term: SoapTerm, slopes: Tensor, spectra: Tensor, same: Tensor) -> Tensor:
    """Variances (A, 3) from derivatives (A, k, 3, F) and power spectra (A, k, F) of k environments of each atom."""
    zeta, along = term.soap.zeta, slopes.transpose(1, 2)  # (A, 3, k, F)
    similar = spectra @ spectra.mT
    if zeta != int(zeta):
        same = same & (similar > 0)  # below, the kernel is 0
    total = raised(similar, zeta - 1)[:, None] * (along @ along.mT)
    if zeta != 1:
        crossed = along @ spectra.mT[:, None]
        total = total + (zeta - 1) * raised(similar, zeta - 2)[:, None] * crossed * crossed.mT
    return zeta * term.soap.delta**2 * torch.where(same[:, None], total, 0.0).sum((2, 3))


def _changes(term: SoapTerm, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours):
    """Which environment (E,) changes with which atom (E,); a function of entries for the changes of all coefficients
    (.., 3, l, channels, m); and the coefficients.
    """
    expansion = term.descriptor.expansion
    near, vectors = neighbours.within(term.cutoff, positions, cell)
    radial, angular, slope = expansion.pair_derivatives(vectors)
    coefficients = expansion.gather(system, near, radial, angular)
    apart = torch.nonzero(near.i != near.j).squeeze(1)  # its own images do not move relative to an atom
    keys, merged = torch.unique(near.i[apart] * system.n_atoms + near.j[apart], return_inverse=True)
    i, j = keys // system.n_atoms, keys % system.n_atoms
    of_pairs = slope.new_zeros(len(keys), *slope.shape[1:]).index_add(0, merged, slope[apart])
    own = _in_channels(term, system.numbers[j], of_pairs)
    own = -own.new_zeros(system.n_atoms, *own.shape[1:]).index_add(0, i, own)
    every = torch.arange(system.n_atoms, device=i.device)

    def changes(entries: Tensor) -> Tensor:
        pairs = entries < len(keys)
        first, second = entries[pairs], entries[~pairs] - len(keys)
        out = own.new_zeros(len(entries), *own.shape[1:])
        out[pairs] = _in_channels(term, system.numbers[j[first]], of_pairs[first])
        out[~pairs] = own[second]
        return out

    return torch.cat([i, every]), torch.cat([j, every]), changes, coefficients


def _in_channels(term: SoapTerm, numbers: Tensor, slope: Tensor) -> Tensor:
    """Changes (P, 3, l, n, m) of one species' coefficients as those of all, (P, 3, l, channels, m)."""
    expansion = term.descriptor.expansion
    kinds = torch.nn.functional.one_hot(expansion.channel_of[numbers], len(expansion.species)).to(slope)
    return (kinds[:, None, None, :, None, None] * slope[:, :, :, None]).flatten(3, 4)
