"""Energies, forces and stresses of a neural potential without an autograd graph of the whole evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from labkit.base import Evaluation, Neighbours, State
from labkit.neural.networks.edge_pairs import directions
from labkit.neural.networks.row_slopes import forces_of, row_slopes, virials_of

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
    energy_rows: Tensor | None = None,
) -> Evaluation:
    """Results of K last layers with weights (K, F) on one network; the first dimension of each result is K.

    energy_rows  (L, F) the last layers whose energies are wanted, if they are others

    The network is evaluated once, and one pullback takes all rows.
    """
    system, scale = state.system, potential.scale
    species = potential.species_of(system)
    pairing, vectors = potential.near_pairs(state.positions.detach(), state.cell, neighbours)
    edges, sign, half = pairing.edges, pairing.sign, pairing.half
    slopes = pull = tension = None
    with torch.no_grad():
        if forces or stress:
            features, slopes = row_slopes(potential.network, species, edges, sign, vectors, rows)
            slopes = slopes.to(torch.float64) * scale
        else:
            features = potential.network.features(species, edges, *directions(vectors, edges, sign))
        rows = rows if energy_rows is None else energy_rows
        of_atoms = (features @ rows.T).to(torch.float64).T * scale + potential.e0.index_select(0, species)
        energy = of_atoms.new_zeros(len(rows), system.n_systems).index_add(1, system.index, of_atoms)
        if forces:
            pull = forces_of(slopes, half.i, half.j, system.n_atoms).to(state.positions.dtype)
        if stress:
            virial = virials_of(slopes, vectors, half.index, system.n_systems)
            tension = (0.5 * (virial + virial.mT) / state.volume()[:, None, None]).to(state.positions.dtype)
    return Evaluation(energy, pull, tension, of_atoms if per_atom else None)
