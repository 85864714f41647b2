"""Shared by kernels that loop over slots of clusters: a buffer of positions and values, filled and added back.

A buffer has parts of ROOM slots, one for each quantity, of which the first three are the positions.
"""

from __future__ import annotations

import numpy as np

from labkit.compiling import njit
from labkit.forcefield.fast.kernels.vector_math import FAST

ROOM = 1040  # slots, a multiple of 16; with a power of two the parts would compete for cache lines


@njit(cache=True, nogil=True)
def placed(positions, cells, order, moved, start, system, far):
    """Positions (n + 1, 3) by rank, in the box; the last one is that of slots without an atom."""
    place = np.zeros((len(order) + 1, 3))
    place[len(order), 0] = far
    for c in range(len(system)):
        h = cells[system[c]]
        for r in range(start[c], start[c + 1]):
            u, v, w = moved[r, 0], moved[r, 1], moved[r, 2]
            for k in range(3):
                place[r, k] = positions[order[r], k] - (u * h[0, k] + v * h[1, k] + w * h[2, k])
    return place


@njit(cache=True, nogil=True)
def shift_vectors(moves, cell, table):
    """Shifts (K, 3) in cells as vectors in Å."""
    for k in range(len(moves)):
        for x in range(3):
            table[k, x] = moves[k, 0] * cell[0, x] + moves[k, 1] * cell[1, x] + moves[k, 2] * cell[2, x]


@njit(cache=True, nogil=True)
def fill(begin, m, slot, move, table, place, origin, b):
    """Positions of m slots from `begin` on, moved by a row of the table, relative to an origin."""
    x, y, z = origin[0], origin[1], origin[2]
    for p in range(m):
        r, t = np.uint64(slot[begin + p]), np.uint64(move[begin + p])
        b[p] = place[r, 0] + table[t, 0] - x
        b[p + ROOM] = place[r, 1] + table[t, 1] - y
        b[p + 2 * ROOM] = place[r, 2] + table[t, 2] - z


@njit(cache=True, nogil=True)
def gather(begin, m, slot, values, part):
    """Values by rank of m slots from `begin` on."""
    for p in range(m):
        part[p] = values[slot[begin + p]]


@njit(cache=True, nogil=True)
def scatter(begin, m, slot, part, values):
    """Add the values of m slots from `begin` on to those by rank."""
    for p in range(m):
        values[slot[begin + p]] += part[p]


@njit(cache=True, nogil=True)
def hide(begin, m, low, high, masked, far, b, at, was):
    """Move the slots masked[low:high] in the buffer to `far`; return how many, and store where and what they were."""
    hidden = 0
    for k in range(low, high):
        p = masked[k] - begin
        if 0 <= p < m:
            at[hidden], was[hidden], b[p] = p, b[p], far
            hidden += 1
    return hidden


@njit(cache=True, nogil=True, fastmath=FAST)
def push(begin, m, slot, first, b, forces, virial):
    """Add the forces on m slots from `begin` on, the parts of the buffer from `first` on, and Σ f ⊗ (r - origin)."""
    zero = b.dtype.type(0.0)
    for p in range(m):
        r, at = np.uint64(slot[begin + p]), np.uint64(p + first * ROOM)
        forces[r, 0] += b[at]
        forces[r, 1] += b[at + np.uint64(ROOM)]
        forces[r, 2] += b[at + np.uint64(2 * ROOM)]
    for k in range(3):
        at, x, y, z = (first + k) * ROOM, zero, zero, zero
        for p in range(m):
            x += b[p + at] * b[p]
            y += b[p + at] * b[p + ROOM]
            z += b[p + at] * b[p + 2 * ROOM]
        virial[k, 0] += x
        virial[k, 1] += y
        virial[k, 2] += z


@njit(cache=True, nogil=True)
def push_own(i, force, place, origin, forces, virial):
    """Add the force on the atom of rank i, and f ⊗ (r - origin)."""
    for k in range(3):
        forces[i, k] += force[k]
        for l in range(3):
            virial[k, l] += force[k] * (place[i, l] - origin[l])
