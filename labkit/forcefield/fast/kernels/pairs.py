"""Clusters as a list of single pairs, for kernels that loop over it several times; and functions that these share."""

from __future__ import annotations

import numpy as np

from labkit.compiling import njit


@njit(cache=True, nogil=True)
def single_pairs(r, cells, reach2, order, moved, start, system, first, slot, moves, move, masked_first, masked):
    """Partners of atom i: partner[first[i]:first[i + 1]], moved by shift (cells) of the same rows; each pair once.

    Only the clusters' pairs closer than sqrt(reach2) [Å].
    """
    n = len(order)
    counts, filled, v = np.zeros(n + 1, np.int64), np.zeros(n, np.int64), np.empty(3)
    partner, cell_shift = np.empty(0, np.int32), np.empty((0, 3), np.int64)
    hidden = np.zeros(8, np.bool_)
    for counting in (True, False):
        if not counting:
            counts = np.cumsum(counts)
            partner, cell_shift = np.empty(counts[-1], np.int32), np.empty((counts[-1], 3), np.int64)
            filled[:] = counts[:-1]
        for c in range(len(system)):
            one, own, h = start[c], start[c + 1] - start[c], cells[system[c]]
            total = first[c + 1] - first[c]
            if total > len(hidden):
                hidden = np.zeros(2 * total, np.bool_)
            for rank in range(one, one + own):
                i = order[rank]
                out = masked[masked_first[rank] : masked_first[rank + 1]]
                hidden[out] = True
                for p in range(rank - one + 1, total):
                    other = slot[first[c] + p]
                    if hidden[p] or other == n:
                        continue
                    j = order[other]
                    for k in range(3):
                        v[k] = moved[rank, k] - moved[other, k] + moves[move[first[c] + p], k]
                    square = 0.0
                    for k in range(3):
                        square += (r[j, k] - r[i, k] + v[0] * h[0, k] + v[1] * h[1, k] + v[2] * h[2, k]) ** 2
                    if not square < reach2:
                        continue
                    if counting:
                        counts[i + 1] += 1
                        continue
                    partner[filled[i]] = j
                    for k in range(3):
                        cell_shift[filled[i], k] = v[k]
                    filled[i] += 1
                hidden[out] = False
    return counts, partner, cell_shift


@njit(cache=True, nogil=True, inline="always")
def vector(p, i, j, r, h, shift):
    a, b, c = shift[p, 0], shift[p, 1], shift[p, 2]
    x, y, z = r[j, 0] - r[i, 0], r[j, 1] - r[i, 1], r[j, 2] - r[i, 2]
    if a != 0 or b != 0 or c != 0:
        x += a * h[0, 0] + b * h[1, 0] + c * h[2, 0]
        y += a * h[0, 1] + b * h[1, 1] + c * h[2, 1]
        z += a * h[0, 2] + b * h[1, 2] + c * h[2, 2]
    return x, y, z


@njit(cache=True, nogil=True, inline="always")
def push(slope, i, j, x, y, z, forces, virial):
    """Add the force slope·(x, y, z) on j."""
    gx, gy, gz = slope * x, slope * y, slope * z
    forces[i, 0] -= gx
    forces[i, 1] -= gy
    forces[i, 2] -= gz
    forces[j, 0] += gx
    forces[j, 1] += gy
    forces[j, 2] += gz
    virial[0, 0] += gx * x
    virial[0, 1] += gx * y
    virial[0, 2] += gx * z
    virial[1, 0] += gy * x
    virial[1, 1] += gy * y
    virial[1, 2] += gy * z
    virial[2, 0] += gz * x
    virial[2, 1] += gz * y
    virial[2, 2] += gz * z
