"""EdgePairs: the pairs in a neighbour list that has each of them in both directions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from labkit.base import Neighbours
from labkit.errors import LabkitError
from labkit.neural.networks.forms import Edges


@dataclass(frozen=True, eq=False)
class EdgePairs:
    """A list of E edges, of P pairs, whose two directions share what depends only on distance.

    half   the list with one direction of each pair
    edges  the whole list, with the pair of each edge
    sign   (E,) 1 for the direction in `half`, otherwise -1
    """

    half: Neighbours
    edges: Edges
    sign: Tensor

    @classmethod
    def of(cls, near: Neighbours, n_atoms: int) -> EdgePairs:
        """The pairs of a list that has every pair twice, as `find_neighbours` makes it."""
        i, j, shift = near.i, near.j, near.shift
        first = torch.zeros_like(i)  # the first nonzero component of the shift
        for axis in (2, 1, 0):
            first = torch.where(shift[:, axis] == 0, first, shift[:, axis].to(first.dtype))
        forward = (i < j) | ((i == j) & (first > 0))
        image = torch.where(forward[:, None], shift, -shift).to(torch.int64)
        reach = int(image.abs().max()) if len(image) else 0
        key = torch.minimum(i, j) * n_atoms + torch.maximum(i, j)
        for axis in range(3):
            key = key * (2 * reach + 1) + image[:, axis] + reach
        kinds, pair = torch.unique(key, return_inverse=True)
        rows = torch.nonzero(forward).squeeze(1)
        if len(rows) != len(kinds) or len(i) != 2 * len(kinds):
            raise LabkitError("a neighbour list in which pairs lack their other direction; give both, i-j and j-i")
        half = torch.empty_like(rows)
        half[pair[rows]] = rows
        one = Neighbours(*(part.index_select(0, half) for part in (i, j, shift, near.index)))
        return cls(one, Edges(i, j, pair, n_atoms, len(half)), torch.where(forward, 1.0, -1.0))

    def take(self, near: Tensor) -> EdgePairs:
        """Keep only the pairs in a mask (P,)."""
        rows = torch.nonzero(near).squeeze(1)
        kept = torch.nonzero(near.index_select(0, self.edges.pair)).squeeze(1)
        place = torch.cumsum(near, 0) - 1
        edges = self.edges
        half = self.half
        return EdgePairs(
            replace(half, **{name: getattr(half, name).index_select(0, rows) for name in ("i", "j", "shift", "index")}),
            Edges(
                edges.i.index_select(0, kept),
                edges.j.index_select(0, kept),
                place.index_select(0, edges.pair.index_select(0, kept)),
                edges.n_atoms,
                len(rows),
            ),
            self.sign.index_select(0, kept),
        )


def directions(vectors: Tensor, edges: Edges, sign: Tensor) -> tuple[Tensor, Tensor]:
    """Distances (P,) of pairs and unit vectors (E, 3) of edges, from vectors (P, 3) of pairs."""
    distances = vectors.norm(dim=1)
    unit = (vectors / distances[:, None]).index_select(0, edges.pair) * sign.to(vectors.dtype)[:, None]
    return distances, unit


def directions_back(
    distances: Tensor, unit: Tensor, edges: Edges, sign: Tensor, of_distances: Tensor, of_unit: Tensor
) -> Tensor:
    """The pullback of `directions`: gradients (K, P, 3) of pairs' vectors from those of distances (K, P) and directions
    (K, E, 3).
    """
    signed = sign.to(of_unit.dtype)[:, None]
    of_pairs, axes = of_unit.new_zeros(len(of_unit), len(distances), 3), unit.new_zeros(len(distances), 3)
    of_pairs.index_add_(1, edges.pair, of_unit * signed)
    axes.index_copy_(0, edges.pair, unit * signed)
    along = (of_pairs * axes).sum(2) / distances
    return of_pairs / distances[:, None] + axes * (of_distances - along)[..., None]
