"""Angular momentum in real spherical harmonics: Clebsch-Gordan coefficients."""

from __future__ import annotations

from functools import cache
from math import factorial, sqrt

import numpy as np


@cache
def clebsch_gordan(l1: int, l2: int, degree: int) -> np.ndarray:
    """C (2 l1+1, 2 l2+1, 2λ+1), which couples real harmonics: Σ_m1m2 C a_m1 b_m2 rotates like Y_λμ.

    m runs from -l to l, so that l = 1 is (y, z, x). The columns are orthonormal. The sign, which is free, makes the
    first element that is not zero positive: C(l, l, 0) = 1/sqrt(2l+1) on the diagonal. Where l1 + l2 + λ is odd the
    product is a pseudotensor: (1, 1, 1) is a cross product.

    Source: Racah, Phys. Rev. 62, 438 (1942), for complex harmonics.

    >>> (clebsch_gordan(1, 1, 0)[..., 0] * 3**0.5).round(12).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    coupled = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * degree + 1))
    for m1 in range(-l1, l1 + 1):
        for m2 in range(max(-l2, -degree - m1), min(l2, degree - m1) + 1):
            coupled[m1 + l1, m2 + l2, m1 + m2 + degree] = _racah(l1, m1, l2, m2, degree)
    first, second, both = (_real_from_complex(l) for l in (l1, l2, degree))
    real = np.einsum("abc,ia,jb,kc->ijk", coupled, first.conj(), second.conj(), both)
    real = real.real if (l1 + l2 + degree) % 2 == 0 else real.imag
    real = real * np.sign(real.flat[np.argmax(np.abs(real) > 1e-9)]) + 0.0  # no negative zeros
    real.setflags(write=False)  # it is cached
    return real


def _racah(l1: int, m1: int, l2: int, m2: int, l: int) -> float:
    """<l1 m1 l2 m2 | l m1+m2>."""
    f, m = factorial, m1 + m2
    size = (2 * l + 1) * f(l + l1 - l2) * f(l - l1 + l2) * f(l1 + l2 - l) / f(l1 + l2 + l + 1)
    size *= f(l + m) * f(l - m) * f(l1 - m1) * f(l1 + m1) * f(l2 - m2) * f(l2 + m2)
    total = 0.0
    for k in range(max(0, l2 - l - m1, l1 - l + m2), min(l1 + l2 - l, l1 - m1, l2 + m2) + 1):
        below = f(k) * f(l1 + l2 - l - k) * f(l1 - m1 - k) * f(l2 + m2 - k) * f(l - l2 + m1 + k) * f(l - l1 - m2 + k)
        total += (-1) ** k / below
    return sqrt(size) * total


def _real_from_complex(l: int) -> np.ndarray:
    """U (2l+1, 2l+1) with Y_real = U Y_complex."""
    turn = np.zeros((2 * l + 1, 2 * l + 1), complex)
    turn[l, l] = 1.0
    for m in range(1, l + 1):
        sign = (-1) ** m
        turn[l + m, [l + m, l - m]] = sign / sqrt(2), 1 / sqrt(2)
        turn[l - m, [l + m, l - m]] = -1j * sign / sqrt(2), 1j / sqrt(2)
    return turn
