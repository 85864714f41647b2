"""Collective variables of beads and their gradients, compiled."""

from __future__ import annotations

import math

import numpy as np

from labkit.compiling import njit


@njit(cache=True, nogil=True, error_model="numpy")
def contacts(pairs, reach, steepness, beads, gradients):
    values = np.zeros(len(beads))
    gradients[:] = 0.0
    x = np.empty(3)
    for s in range(len(beads)):
        for p in range(len(pairs)):
            i, j = pairs[p]
            square = 0.0
            for k in range(3):
                x[k] = beads[s, j, k] - beads[s, i, k]
                square += x[k] * x[k]
            r = math.sqrt(square)
            step = 1.0 / (1.0 + math.exp(steepness * (r - reach[p])))
            values[s] += step / len(pairs)
            slope = -steepness * step * (1.0 - step) / (len(pairs) * r) if r > 0.0 else 0.0  # no direction
            for k in range(3):
                gradients[s, j, k] += slope * x[k]
                gradients[s, i, k] -= slope * x[k]
    return values


@njit(cache=True, nogil=True, error_model="numpy")
def rmsd(reference, beads, gradients):
    m = len(reference)
    values, product = np.empty(len(beads)), np.empty((3, 3))
    for s in range(len(beads)):
        for k in range(3):
            mean = 0.0
            for i in range(m):
                mean += beads[s, i, k] / m
            for i in range(m):
                gradients[s, i, k] = beads[s, i, k] - mean
        for k in range(3):
            for l in range(3):
                product[k, l] = 0.0
                for i in range(m):
                    product[k, l] += gradients[s, i, k] * reference[i, l]
        if not np.isfinite(product).all():  # otherwise the error would not name the step of the run
            values[s], gradients[s] = np.nan, np.nan
            continue
        u, _, vt = np.linalg.svd(product)
        if np.linalg.det(u) * np.linalg.det(vt) < 0.0:
            for k in range(3):
                u[k, 2] = -u[k, 2]
        square = 0.0
        for i in range(m):
            for k in range(3):
                for a in range(3):
                    for l in range(3):
                        gradients[s, i, k] -= u[k, a] * vt[a, l] * reference[i, l]
                square += gradients[s, i, k] ** 2
        values[s] = math.sqrt(max(square / m, 1e-12))
        for i in range(m):
            for k in range(3):
                gradients[s, i, k] /= m * values[s]
    return values
