"""ClusterDiversity: one frame of each of n clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.sparse import csr_array

from labkit.active.selection.distances import farthest_from_mean, known_or_none, largest, to_nearest
from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import SelectionRule
from labkit.regression.selection import farthest_points

ROUNDS = 50
STILL = 1e-4  # centres do not move if the sum of their squared steps is this part of a component's variance


@dataclass(frozen=True)
class ClusterDiversity(SelectionRule):
    """The frame nearest to the centre of each of n clusters of the vectors, by k-means, the largest cluster first.

    Unlike `FarthestPoint` it takes typical frames and not outliers. Centres begin at farthest points. Known frames are
    fixed centres of clusters of their own, so that the n new ones lie elsewhere.

    Source: Lloyd, IEEE Trans. Inf. Theory 28, 129 (1982).

    >>> pool = Pool(n_atoms=[1] * 6, features=[[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]])
    >>> sorted(ClusterDiversity().choose(pool, 2).indices.tolist())
    [1, 4]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    def pick(self, pool: Pool, n: int, seed: int) -> tuple[np.ndarray, Sequence[str]]:
        rows, known = pool.features, known_or_none(pool.known)
        covered = np.full(len(rows), np.inf) if known is None else to_nearest(rows, known)[0]
        centres, cluster = clusters(rows, n, covered, known)
        distance = np.linalg.norm(rows - centres[cluster], axis=1)
        scale = float(np.abs(rows).max())  # to which distances are exact
        sizes = np.bincount(cluster[cluster >= 0], minlength=n)
        order: list[int] = []
        for c in np.argsort(-sizes, kind="stable"):
            inside = np.flatnonzero(cluster == c)
            if len(inside):
                order.append(int(inside[largest(-distance[inside] - scale, rows[inside])]))
        phrases = [f"in a cluster of {sizes[c]} frames, {x:.3g} from its centre" for c, x in zip(cluster, distance)]
        for k in np.flatnonzero(cluster < 0):
            phrases[k] = "in the cluster of a known frame"
        for k in _others(rows, order, n, covered):
            order.append(k)
            phrases[k] += "; other clusters are empty, and this is the farthest from those taken and known"
        return np.array(order, dtype=np.int64), phrases


def clusters(rows: np.ndarray, n: int, covered: np.ndarray, known: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Centres (n, d) and the cluster of each row (P,); -1 for those nearer to a known frame (at `covered`)."""
    centred = rows - rows.mean(axis=0)
    start = dict(first=farthest_from_mean(rows))
    if known is not None:
        start = dict(known=torch.from_numpy(known - rows.mean(axis=0)))
    centres = centred[farthest_points(torch.from_numpy(centred), n, 0, **start).numpy()].copy()
    squares, enough = np.einsum("pd,pd->p", centred, centred), STILL * float(np.mean(centred.var(axis=0)))
    for _ in range(ROUNDS):
        half = 0.5 * np.einsum("nd,nd->n", centres, centres) - centred @ centres.T
        cluster = half.argmin(axis=1)
        cluster[squares + 2 * half.min(axis=1) > covered**2] = -1
        free, before = np.flatnonzero(cluster >= 0), centres.copy()
        members = csr_array((np.ones(len(free)), (cluster[free], free)), shape=(n, len(rows)))
        counts = members.sum(axis=1)
        centres[counts > 0] = (members @ centred)[counts > 0] / counts[counts > 0, None]
        if np.sum((centres - before) ** 2) <= enough:
            break
    return centres + rows.mean(axis=0), cluster


def _others(rows: np.ndarray, order: list[int], n: int, covered: np.ndarray) -> list[int]:
    """Farthest points for the clusters that have no frame, as where there are fewer different frames than n."""
    missing, nearest, found = n - len(order), covered.copy(), []
    for k in order if missing else ():
        nearest = np.minimum(nearest, np.linalg.norm(rows - rows[k], axis=1))
    nearest[order] = -np.inf
    for _ in range(missing):
        k = int(nearest.argmax())
        found.append(k)
        nearest = np.minimum(nearest, np.linalg.norm(rows - rows[k], axis=1))
        nearest[k] = -np.inf
    return found
