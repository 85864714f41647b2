"""Energies, forces and stresses of a neural potential without an autograd graph of the whole evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from labkit.base import Evaluation, Neighbours, State
from labkit.neural.edge_pairs import directions, directions_back

if TYPE_CHECKING:
    from labkit.neural.potential import NeuralPotential


def evaluate_rows(
    potential: NeuralPotential,
    state: State,
    neighbours: Neighbours,
    rows: Tensor,
    *,
    forces: bool,
    stress: bool,
    per_atom: bool,
) -> Evaluation:
    """Results of K last layers with weights (K, F) on one network; the first dimension of each result is K.

    The network is evaluated once; derivatives take one pullback for each row.
    """
    system, scale = state.system, potential.scale
    species = potential.species_of(system)
    pairing, vectors = potential.near_pairs(state.positions.detach(), state.cell, neighbours)
    with torch.no_grad():
        distances, unit = directions(vectors, pairing.edges, pairing.sign)
        features, back = potential.network.pullback(species, pairing.edges, distances, unit)
        of_atoms = (features @ rows.T).to(torch.float64).T * scale + potential.e0.index_select(0, species)
        energy = of_atoms.new_zeros(len(rows), system.n_systems).index_add(1, system.index, of_atoms)
        if not (forces or stress):
            return Evaluation(energy, per_atom=of_atoms if per_atom else None)
        slopes = []
        for row in rows:
            parts = back(row.expand(features.shape))
            slope = directions_back(distances, unit, pairing.edges, pairing.sign, *parts)
            slopes.append(slope.to(torch.float64) * scale)
        found = torch.stack(slopes)  # (K, P, 3): dE/dv with v = r_j - r_i
        half = pairing.half
        pull = found.new_zeros(len(rows), system.n_atoms, 3).index_add(1, half.i, found).index_add(1, half.j, -found)
        tension = None
        if stress:
            virial = vectors.to(found.dtype)[:, :, None] * found[:, :, None, :]
            total = found.new_zeros(len(rows), system.n_systems, 3, 3).index_add(1, half.index, virial)
            tension = 0.5 * (total + total.mT) / state.volume()[:, None, None]
    out = state.positions.dtype
    return Evaluation(
        energy,
        pull.to(out) if forces else None,
        None if tension is None else tension.to(out),
        of_atoms if per_atom else None,
    )
