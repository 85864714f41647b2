"""Constraints that share atoms and are solved together: connected components, padded to one size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from labkit.errors import LabkitError

LARGEST_CLUSTER = 16  # a dense system of equations is solved for each


@dataclass(frozen=True, eq=False)
class ConstraintClusters:
    """Constraints that share atoms, C clusters of up to k, padded.

    which (C, k)       constraint, 0 in the padding
    sizes (C,)         how many are real
    first, second      (C, k) its atoms
    real  (C, k)       False in the padding
    at_first, at_second (C, k, k) sign with which constraint j moves the first, the second atom of i
    padding (C, k, k) ones on the diagonal of the padding, which keep matrices regular
    """

    which: Tensor
    sizes: Tensor
    first: Tensor
    second: Tensor
    real: Tensor
    at_first: Tensor
    at_second: Tensor
    padding: Tensor


class Groups:
    """The cluster number of each atom, for a batch of n atoms."""

    def __init__(self, first: np.ndarray, second: np.ndarray, device: torch.device) -> None:
        self.first, self.second, self.device = first, second, device
        self.known: dict[int, Tensor] = {}

    def __call__(self, n: int) -> Tensor:
        if n not in self.known:
            graph = coo_array((np.ones(len(self.first)), (self.first, self.second)), shape=(n, n))
            self.known[n] = torch.as_tensor(connected_components(graph, directed=False)[1]).long().to(self.device)
        return self.known[n]


def find_clusters(atoms: Tensor, distances: Tensor, device: torch.device) -> tuple[ConstraintClusters, Groups]:
    pairs, lengths = atoms.detach().cpu().numpy(), distances.detach().cpu().numpy()
    _check(pairs, lengths)
    m, n = len(pairs), int(pairs.max()) + 1
    graph = coo_array((np.ones(m), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    labels = np.unique(connected_components(graph, directed=False)[1][pairs[:, 0]], return_inverse=True)[1]
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    k = int(sizes.max())
    if k > LARGEST_CLUSTER:
        atom = int(pairs[order[np.argmax(labels[order] == sizes.argmax())], 0])
        raise LabkitError(
            f"atom {atom} belongs to {k} constraints that share atoms; at most {LARGEST_CLUSTER} can be solved "
            "together: constrain rigid waters and bonds to hydrogen, not all bonds"
        )
    place = np.arange(m) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    which, real = np.zeros((len(sizes), k), dtype=np.int64), np.zeros((len(sizes), k), dtype=bool)
    which[labels[order], place], real[labels[order], place] = order, True
    first, second = pairs[which, 0], pairs[which, 1]
    both = real[:, :, None] & real[:, None, :]

    def moves(atom: np.ndarray) -> np.ndarray:
        # constraint j = (c, d) pushes d along its bond and c against it
        same_d, same_c = (atom[:, :, None] == other[:, None, :] for other in (second, first))
        return np.where(both, same_d.astype(float) - same_c, 0.0)

    padding = np.eye(k) * ~real[:, :, None]
    parts = (which, sizes, first, second, real, moves(first), moves(second), padding)
    return ConstraintClusters(*(torch.as_tensor(part).to(device) for part in parts)), Groups(
        pairs[:, 0], pairs[:, 1], device
    )


def _check(pairs: np.ndarray, lengths: np.ndarray) -> None:
    if pairs.dtype.kind not in "iu":
        raise LabkitError(f"atoms of constraints are {pairs.dtype}, expected whole numbers (torch.long)")
    bad = np.flatnonzero(~(lengths > 0) | (pairs[:, 0] == pairs[:, 1]))
    if len(bad):
        a, b = pairs[bad[0]]
        raise LabkitError(
            f"constraint {bad[0]} keeps atoms {a} and {b} at {lengths[bad[0]]} Å; expected two atoms, d > 0"
        )
    ordered = np.sort(pairs, axis=1)
    unique, times = np.unique(ordered, axis=0, return_counts=True)
    if len(unique) < len(pairs):
        a, b = unique[times > 1][0]
        raise LabkitError(f"the distance of atoms {a} and {b} is constrained twice; give it once")
