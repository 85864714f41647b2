"""A batch of 50 chosen from 5,000 frames with some hundreds of features, beside the textbook's numpy.

The peers compute the same choice in the plain way: greedy log-determinant with a new inverse at each step, farthest
points with all differences at each step, maxvol with a solve at each exchange, k-means of scikit-learn; they give no
reasons. Rows with goals in seconds: a D-optimal batch within 1 s, and 5,000 frames of ethanol scored by a network and a
batch chosen from them within 5 s.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from functools import partial

import numpy as np
import torch
from _bench import Row, alternate, compare, installed, parser, report, seconds
from ase.build import molecule
from scipy.linalg import qr

from labkit.active.selection import (
    ClusterDiversity,
    FarthestPoint,
    GreedyDeterminant,
    MaximumVolume,
    Pool,
)
from labkit.active.selection.maximum_volume import principal
from labkit.datasets import Dataset
from labkit.neural import NeuralConfig, NeuralPotential

PEER, RIDGE = "plain numpy", 1e-6


def main() -> None:
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    frames, width, n, runs = (200, 40, 5, 1) if arguments.small else (5000, 300, 50, 7 if arguments.full else 5)
    pool = synthetic(frames, width)
    rows = []
    what = f"of {frames} frames, {width} features, batch of {n}"
    pairs = {
        "greedy log-determinant": (GreedyDeterminant(RIDGE), partial(plain_determinant, pool.features, n)),
        "maxvol": (MaximumVolume(), partial(plain_maxvol, pool.features, n)),
        "farthest points": (FarthestPoint(), partial(plain_farthest, pool.features, n)),
    }
    if installed("scikit-learn", "sklearn"):
        pairs["clusters"] = (ClusterDiversity(), partial(scikit_clusters, pool.features, n))
    for name, (rule, peer) in pairs.items():
        times = alternate(partial(rule.choose, pool, n), peer, runs)
        who = "scikit-learn" if name == "clusters" else PEER
        rows.append(compare(f"{name} {what}", "s", *times, who))
        if name in ("greedy log-determinant", "maxvol"):
            rows.append(compare(f"{name} {what}", "s", times[0], [1.0] * runs, "goal of 1 s", 1))
    rows.append(scored(frames, n, runs))
    report(rows, arguments)


def synthetic(frames: int, width: int) -> Pool:
    """Vectors whose principal components fall off as those of descriptors do."""
    random = np.random.default_rng(0)
    return Pool(n_atoms=np.full(frames, 9), features=random.normal(size=(frames, width)) * 0.97 ** np.arange(width))


def scored(frames: int, n: int, runs: int) -> Row:
    """Frames of ethanol with the features of a network's last layer, and a batch of them."""
    ethanol, random = molecule("CH3CH2OH"), np.random.default_rng(1)
    places = ethanol.positions + 0.1 * random.normal(size=(frames, 9, 3))
    data = Dataset.from_arrays(places, ethanol.numbers, name="ethanol")
    potential = NeuralPotential(NeuralConfig(), ["H", "C", "O"], dict(H=-13.6, C=-1029.0, O=-2042.0))

    def choose() -> None:
        pool = Pool.of(data, potential, needs=GreedyDeterminant.needs)
        GreedyDeterminant().choose(pool, n)

    times = [seconds(choose) for _ in range(runs)]
    name = f"{frames} frames of ethanol scored, D-optimal batch of {n}"
    return compare(name, "s", times, [5.0] * runs, "goal of 5 s", 1)


def plain_determinant(rows: np.ndarray, n: int) -> list[int]:
    matrix, order = RIDGE * np.mean(rows**2) * np.eye(rows.shape[1]), []
    for _ in range(n):
        gains = np.sum(rows @ np.linalg.inv(matrix) * rows, axis=1)
        gains[order] = -np.inf
        order.append(int(gains.argmax()))
        matrix += np.outer(rows[order[-1]], rows[order[-1]])
    return order


def plain_maxvol(rows: np.ndarray, n: int) -> np.ndarray:
    reduced = principal(rows, n)
    chosen = qr(reduced.T, mode="economic", pivoting=True)[2][:n].copy()
    while True:
        coefficients = np.linalg.solve(reduced[chosen].T, reduced.T).T
        i, j = np.unravel_index(np.abs(coefficients).argmax(), coefficients.shape)
        if abs(coefficients[i, j]) <= 1.01:
            return chosen
        chosen[j] = i


def plain_farthest(rows: np.ndarray, n: int) -> list[int]:
    order = [int(np.linalg.norm(rows - rows.mean(axis=0), axis=1).argmax())]
    nearest = np.full(len(rows), np.inf)
    for _ in range(n - 1):
        nearest = np.minimum(nearest, np.linalg.norm(rows - rows[order[-1]], axis=1))
        order.append(int(nearest.argmax()))
    return order


def scikit_clusters(rows: np.ndarray, n: int) -> np.ndarray:
    from sklearn.cluster import KMeans
    from sklearn.metrics import pairwise_distances_argmin

    found = KMeans(n, n_init=1, max_iter=50, random_state=0).fit(rows)
    return pairwise_distances_argmin(found.cluster_centers_, rows)


if __name__ == "__main__":
    main()
