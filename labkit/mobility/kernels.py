"""Compiled by numba, on the CPU and without gradients: products with mobilities of open fluids, nothing stored."""

from __future__ import annotations

import math

import numpy as np

from labkit.compiling import njit


@njit(cache=True, error_model="numpy")
def product(x, f, radii, viscosity, finite, out):
    """out = M F for one system, (n, 3) each; `finite` for Rotne, Prager and Yamakawa, otherwise Oseen."""
    n, third, stokeslet = len(x), 1 / 3, 1 / (8 * math.pi * viscosity)
    for i in range(n):
        a = radii[i]
        own = 1 / (6 * math.pi * viscosity * a)
        v0, v1, v2 = own * f[i, 0], own * f[i, 1], own * f[i, 2]
        for j in range(n):
            if i == j:
                continue
            d0, d1, d2 = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
            square, b = d0 * d0 + d1 * d1 + d2 * d2, radii[j]
            r = math.sqrt(square)
            if not finite or r > a + b:
                one = 1 / r
                ratio = (a * a + b * b) * one * one if finite else 0.0
                scale = stokeslet * one
                alpha, over = scale * (1 + ratio * third), scale * (1 - ratio) * one * one
            elif r > abs(a - b):
                gap2 = (a - b) ** 2
                scale = 1 / (6 * math.pi * viscosity * a * b * 32 * r * square)
                alpha = scale * (16 * r * square * (a + b) - (gap2 + 3 * square) ** 2)
                over = scale * 3 * (gap2 - square) ** 2 / square
            else:
                alpha, over = 1 / (6 * math.pi * viscosity * max(a, b)), 0.0
            along = over * (d0 * f[j, 0] + d1 * f[j, 1] + d2 * f[j, 2])
            v0 += alpha * f[j, 0] + along * d0
            v1 += alpha * f[j, 1] + along * d1
            v2 += alpha * f[j, 2] + along * d2
        out[i, 0], out[i, 1], out[i, 2] = v0, v1, v2


def products(x: np.ndarray, f: np.ndarray, radii: np.ndarray, viscosity: float, finite: bool) -> np.ndarray:
    """The same for systems (S, n, 3), one after another."""
    out = np.empty_like(f)
    for here, force, velocity in zip(x, f, out):
        product(here, force, radii, viscosity, finite, velocity)
    return out
