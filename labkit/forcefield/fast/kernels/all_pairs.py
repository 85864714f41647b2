"""Lists of all pairs of a system: clusters of successive atoms, or single atoms with the nearest images of others."""

from __future__ import annotations

import numpy as np

from labkit.compiling import njit
from labkit.forcefield.fast.kernels.growing import full, grown, grown_rows
from labkit.forcefield.fast.kernels.nearest import shorten

ROWS = 8  # atoms of a cluster, the fastest for all pairs


@njit(cache=True, nogil=True)
def everything(offsets, order, ex_first, ex_j):
    n, total, count = offsets[-1], 0, 0
    rank = np.empty(n, np.int64)
    for r in range(n):
        rank[order[r]] = r
    for s in range(len(offsets) - 1):
        for low in range(offsets[s], offsets[s + 1], ROWS):
            total += full(offsets[s + 1] - low)
            count += 1
    moved = np.zeros((n, 3), np.int64)
    start, system, first = np.zeros(count + 1, np.int64), np.empty(count, np.int64), np.zeros(count + 1, np.int64)
    slot, moves, move = np.full(total, n, np.int32), np.zeros((1, 3), np.int64), np.zeros(total, np.int32)
    masked_first, masked = np.zeros(n + 1, np.int64), np.empty(len(ex_j), np.int32)
    c = p = m = 0
    for s in range(len(offsets) - 1):
        for low in range(offsets[s], offsets[s + 1], ROWS):
            high = min(low + ROWS, offsets[s + 1])
            start[c + 1], system[c] = high, s
            for j in range(low, offsets[s + 1]):
                slot[p + j - low] = j
            p += full(offsets[s + 1] - low)
            first[c + 1] = p
            c += 1
            for i in range(low, high):
                for e in range(ex_first[order[i]], ex_first[order[i] + 1]):
                    if rank[ex_j[e]] > i:
                        masked[m] = rank[ex_j[e]] - low
                        m += 1
                masked_first[i + 1] = m
    return moved, start, system, first, slot, moves, move, masked_first, masked[:m].copy()


@njit(cache=True, nogil=True)
def one_by_one(offsets, order, positions, moved, ex_first, ex_j, lattices):
    """Slots of each atom: itself and all later ones of its system, at the images nearest to it."""
    n, p = len(order), 0
    mark, first, v, images = np.full(n, -1, np.int64), np.zeros(n + 1, np.int64), np.empty(3), np.empty(3)
    slot, shift = np.full(64, n, np.int32), np.zeros((64, 3), np.int32)
    for s in range(len(offsets) - 1):
        for r in range(offsets[s], offsets[s + 1]):
            i = order[r]
            for e in range(ex_first[i], ex_first[i + 1]):
                mark[ex_j[e]] = r
            most = p + full(offsets[s + 1] - r)
            if most > len(slot):
                slot, shift = grown(slot, most), grown_rows(shift, most)
            for q in range(r, offsets[s + 1]):
                j = order[q]
                if mark[j] == r:
                    continue
                for k in range(3):
                    v[k] = positions[j, k] - positions[i, k]
                shorten(v, s, lattices, images)
                slot[p] = q
                for k in range(3):
                    shift[p, k] = images[k] + moved[j, k] - moved[i, k]
                p += 1
            last = first[r] + full(p - first[r])
            while p < last:
                slot[p], shift[p, 0], shift[p, 1], shift[p, 2] = n, 0, 0, 0
                p += 1
            first[r + 1] = p
    return first, slot[:p].copy(), shift[:p].copy()
