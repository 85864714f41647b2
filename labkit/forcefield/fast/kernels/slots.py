"""Shared by kernels that loop over slots of clusters: a buffer of positions and values, filled and added back.

A buffer has parts of ROOM slots, one for each quantity, of which the first three are the positions.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from labkit.forcefield.fast.kernels.vector_math import FAST

ROOM = 1040  # slots, a multiple of 16; with a power of two the parts would compete for cache lines


@njit(cache=True, nogil=True)
def placed(positions, cells, order, moved, start, system, far):
    """Positions (3, n + 1) by rank, in the box; the last one is that of slots without an atom."""
    place = np.zeros((3, len(order) + 1))
    place[0, len(order)] = far
    for c in range(len(system)):
        h = cells[system[c]]
        for r in range(start[c], start[c + 1]):
            u, v, w = moved[r, 0], moved[r, 1], moved[r, 2]
            for k in range(3):
                place[k, r] = positions[order[r], k] - (u * h[0, k] + v * h[1, k] + w * h[2, k])
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
    for p in range(m):
        r, t = slot[begin + p], move[begin + p]
        b[p] = place[0, r] + table[t, 0] - origin[0]
        b[p + ROOM] = place[1, r] + table[t, 1] - origin[1]
        b[p + 2 * ROOM] = place[2, r] + table[t, 2] - origin[2]


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
        r, at = slot[begin + p], p + first * ROOM
        forces[0, r] += b[at]
        forces[1, r] += b[at + ROOM]
        forces[2, r] += b[at + 2 * ROOM]
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
        forces[k, i] += force[k]
        for l in range(3):
            virial[k, l] += force[k] * (place[l, i] - origin[l])
