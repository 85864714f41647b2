"""Slots of clusters in arrays that grow until they fit, compiled."""

from __future__ import annotations

import numpy as np

from labkit.compiling import njit

LANES = 8  # slots of a cluster are a multiple of it


@njit(cache=True, nogil=True)
def full(count):
    """The next multiple of LANES."""
    return (count + LANES - 1) // LANES * LANES


@njit(cache=True, nogil=True)
def grown(values, needed):
    """A copy with room for `needed` values and more, so that few copies are made."""
    # a loop, here and elsewhere: an array assignment takes seconds to compile
    more = np.empty(max(2 * len(values), needed), values.dtype)
    for i in range(len(values)):
        more[i] = values[i]
    return more


@njit(cache=True, nogil=True)
def grown_rows(values, needed):
    more = np.empty((max(2 * len(values), needed), values.shape[1]), values.dtype)
    for i in range(len(values)):
        for k in range(values.shape[1]):
            more[i, k] = values[i, k]
    return more


@njit(cache=True, nogil=True)
def distinct(shift):
    """The distinct rows of (P, 3) integers, and the number of each row among them."""
    low, side, count = np.zeros(3, np.int64), np.ones(3, np.int64), 0
    for k in range(3):
        high = 0
        for p in range(len(shift)):
            low[k], high = min(low[k], shift[p, k]), max(high, shift[p, k])
        side[k] = high - low[k] + 1
    number, moves = np.full(side.prod(), -1, np.int32), np.empty((64, 3), np.int64)
    move = np.empty(len(shift), np.int32)
    for p in range(len(shift)):
        code = ((shift[p, 0] - low[0]) * side[1] + shift[p, 1] - low[1]) * side[2] + shift[p, 2] - low[2]
        if number[code] < 0:
            if count == len(moves):
                moves = grown_rows(moves, count + 1)
            number[code] = count
            for k in range(3):
                moves[count, k] = shift[p, k]
            count += 1
        move[p] = number[code]
    return moves[:count].copy(), move
