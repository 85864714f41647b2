"""Derivatives of the energies of several last layers with respect to pair vectors; forces and virials from them."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.neural.networks.edge_pairs import directions, directions_back
from labkit.neural.networks.forms import Edges
from labkit.neural.networks.network import Network


@torch.no_grad()
def row_slopes(
    network: Network,
    species: Tensor,
    edges: Edges,
    sign: Tensor,
    vectors: Tensor,
    rows: Tensor,
    kept: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Features (n, F), and dE/dv (K, P, 3) of the energies with weights (K, F) of the last layer, without a graph.

    kept  (n, F) factors of the features, for dropout

    The network is evaluated once, and one pullback takes all rows.
    """
    distances, unit = directions(vectors, edges, sign)
    features, back = network.pullback(species, edges, distances, unit)
    g = rows[:, None].expand(len(rows), *features.shape)
    back_to = back(g if kept is None else g * kept)
    return features, directions_back(distances, unit, edges, sign, *back_to)


def forces_of(slopes: Tensor, i: Tensor, j: Tensor, n_atoms: int) -> Tensor:
    """Forces (K, n, 3) from dE/dv (K, P, 3) with v = r_j - r_i: on i it is dE/dv, on j its negative."""
    return slopes.new_zeros(len(slopes), n_atoms, 3).index_add(1, i, slopes).index_add(1, j, -slopes)


def virials_of(slopes: Tensor, vectors: Tensor, frame: Tensor, n_frames: int) -> Tensor:
    """dE/dstrain (K, S, 3, 3) = Σ v ⊗ dE/dv over the pairs of each frame; frame (P,) is that of a pair."""
    products = vectors.to(slopes.dtype)[:, :, None] * slopes[:, :, None, :]
    return slopes.new_zeros(len(slopes), n_frames, 3, 3).index_add(1, frame, products)
