"""Cardinal B-splines, which spread charges on a mesh.

An atom at u, in points of the mesh, gives the point k the share M(u - k); M is the B-spline of `order` points, centred.
Then Σ_k M(u - k) exp(2πi m k/n) is exp(2πi m u/n)/b(m) up to the error of the interpolation, with
1/b(m) = Σ_k M(k) cos(2π m k/n): waves on the mesh, times b², have the right height (smooth particle-mesh Ewald; Essmann
et al., J. Chem. Phys. 103, 8577, 1995).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.polynomial import Polynomial

ORDERS = range(3, 8)


@cache
def pieces(order: int) -> np.ndarray:
    """Shares of the `order` points around an atom as polynomials, (order, order), the constant first.

    In x, the atom's place in points from the nearest one (even order: from the midpoint of the two nearest).

    >>> (8 * pieces(3)).tolist()
    [[1.0, -4.0, 4.0], [6.0, 0.0, -8.0], [1.0, 4.0, 4.0]]
    """
    parts = [Polynomial([1.0])]  # part j is M between j and j + 1, if it began at 0
    for n in range(2, order + 1):
        none = [Polynomial([0.0])]
        up = [Polynomial([j, 1.0]) * part for j, part in enumerate([*parts, *none])]
        down = [Polynomial([n - j, -1.0]) * part for j, part in enumerate([*none, *parts])]
        parts = [(a + b) / (n - 1) for a, b in zip(up, down, strict=True)]
    table = np.zeros((order, order))
    for row, part in zip(table, reversed(parts), strict=True):  # the first point is the furthest behind the atom
        coefficients = part(Polynomial([0.5, 1.0])).coef
        row[: len(coefficients)] = coefficients
    return table


@cache
def factors(order: int, n: int) -> np.ndarray:
    """b(m)² (n,) of a mesh of n points in one direction."""
    at_point = pieces(order) @ (0.0 if order % 2 else -0.5) ** np.arange(order)
    points = np.arange(order) - (order - 1) // 2
    return (np.cos(2 * np.pi * np.outer(np.arange(n), points) / n) @ at_point) ** -2.0
