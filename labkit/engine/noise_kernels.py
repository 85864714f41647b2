"""Philox and normal numbers, compiled: the source of all noise on the CPU, for single steps and for many at once.

Nothing here may be reordered by the compiler (no fastmath): a number must not depend on which others are made with it.
"""

from __future__ import annotations

import numpy as np

from labkit.base.philox import M0, M1, ROUNDS, STREAMS, W0, W1, WORD
from labkit.compiling import njit

BLOCK = 64  # atoms whose numbers are made together, in vectors
_LOW, _32 = np.uint64(WORD), np.uint64(32)
_M0, _M1, _W0, _W1 = np.uint64(M0), np.uint64(M1), np.uint64(W0), np.uint64(W1)

LN2 = float(np.log(2.0))
#: 2 atanh(s)/s, sin(t)/t and cos(t) in powers of s² <= 0.0295 and t² <= (π/4)²
ATANH = tuple(2.0 / (2 * k + 1) for k in range(10))
SIN = tuple((-1.0) ** k / float(np.prod(np.arange(1.0, 2 * k + 2))) for k in range(8))
COS = tuple((-1.0) ** k / float(np.prod(np.arange(1.0, 2 * k + 1))) for k in range(9))
_HALF_PI, _ROOT_HALF = float(np.pi / 2), np.uint64(0x3FE6A09E667F3BCD)  # the bits of sqrt(1/2)
_MANTISSA, _52 = np.uint64((1 << 52) - 1), np.uint64(52)
_ONE, _2_TO_52 = np.uint64(1), np.uint64(0x4330000000000000)


@njit(cache=True, nogil=True, inline="always")
def philox(c0, c1, c2, c3, k0, k1):
    """Philox4x32-10: four random words (32 bits in uint64) of a counter of four words and a key of two."""
    for _ in range(ROUNDS):
        p, q = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (q >> _32) ^ c1 ^ k0, q & _LOW, (p >> _32) ^ c3 ^ k1, p & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@njit(cache=True, nogil=True, inline="always")
def _real(word):
    """A whole number below 2^52 as float64, in a way that has vector instructions: its bits behind those of 2^52."""
    return np.uint64(word | _2_TO_52).view(np.float64) - 2.0**52


@njit(cache=True, nogil=True, inline="always")
def _box_muller(a, b):
    """Two independent standard normal numbers of two words: r cos φ and r sin φ with r² = -2 log u."""
    u = (_real(a) + 0.5) * 2.0**-32
    bits = np.float64(u).view(np.uint64)
    # u = 2^-k m with m from sqrt(1/2) to sqrt(2)
    k = (_ROOT_HALF - bits + _MANTISSA) >> _52
    m = np.uint64(bits + (k << _52)).view(np.float64)
    power = _real(k)
    s = (m - 1.0) / (m + 1.0)
    series = ATANH[9]
    for i in range(9):
        series = series * (s * s) + ATANH[8 - i]
    r = np.sqrt(2.0 * (power * LN2 - s * series))
    # φ: a quarter turn by two bits, and t from -π/4 to π/4
    quarter = b >> np.uint64(30)
    t = ((_real(b & np.uint64(0x3FFFFFFF)) + 0.5) * 2.0**-30 - 0.5) * _HALF_PI
    sine, cosine = SIN[7], COS[8]
    for i in range(7):
        sine = sine * (t * t) + SIN[6 - i]
    for i in range(8):
        cosine = cosine * (t * t) + COS[7 - i]
    sine *= t
    odd = (quarter & _ONE) == _ONE
    x, y = (-sine if odd else cosine), (cosine if odd else sine)
    back = quarter >= np.uint64(2)
    return (-r * x if back else r * x), (-r * y if back else r * y)


@njit(cache=True, nogil=True)
def words(place, count, stream, step, seed, out):
    """Four words each (4, count) for `count` successive atoms from `place` on, of one system."""
    k0, k1 = np.uint64(seed) & _LOW, np.uint64(seed) >> _32
    c2, c3 = np.uint64(step) & _LOW, np.uint64(step) >> _32
    for i in range(count):
        out[0, i], out[1, i], out[2, i], out[3, i] = philox(
            np.uint64(place) + np.uint64(i), np.uint64(stream), c2, c3, k0, k1
        )


@njit(cache=True, nogil=True)
def normals(place, count, stream, step, seed, out):
    """Four normal numbers each (4, count) for `count` <= BLOCK successive atoms from `place` on, of one system."""
    k0, k1 = np.uint64(seed) & _LOW, np.uint64(seed) >> _32
    c2, c3 = np.uint64(step) & _LOW, np.uint64(step) >> _32
    for i in range(count):
        w = philox(np.uint64(place) + np.uint64(i), np.uint64(stream), c2, c3, k0, k1)
        out[0, i], out[1, i] = _box_muller(w[0], w[1])
        out[2, i], out[3, i] = _box_muller(w[2], w[3])


@njit(cache=True, nogil=True)
def fill_normals(offsets, stream, steps, seeds, out):
    """out (n, k): normal numbers of each atom, four to a counter; counters of further ones have other streams."""
    some, columns = np.empty((4, BLOCK)), out.shape[1]
    for s in range(len(seeds)):
        for low in range(offsets[s], offsets[s + 1], BLOCK):
            count = min(BLOCK, offsets[s + 1] - low)
            for first in range(0, columns, 4):
                normals(low - offsets[s], count, stream + STREAMS * (first // 4), steps[s], seeds[s], some)
                for x in range(first, min(first + 4, columns)):
                    for i in range(count):
                        out[low + i, x] = some[x - first, i]


@njit(cache=True, nogil=True)
def thermalise(v, keep, width, offsets, stream, steps, seeds, after):
    """v = keep v + width ξ in place, `after` steps after those given; keep and width are (n,)."""
    some = np.empty((4, BLOCK))
    for s in range(len(seeds)):
        for low in range(offsets[s], offsets[s + 1], BLOCK):
            count = min(BLOCK, offsets[s + 1] - low)
            normals(low - offsets[s], count, stream, steps[s] + after, seeds[s], some)
            for i in range(count):
                for x in range(3):
                    v[low + i, x] = keep[low + i] * v[low + i, x] + width[low + i] * some[x, i]
