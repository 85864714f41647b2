"""Compiled by numba, on the CPU and without gradients: kicks, drifts, and SHAKE and RATTLE as in constraints.py."""

from __future__ import annotations

import numpy as np

from labkit.compiling import njit
from labkit.engine.noise_kernels import thermalise


@njit(cache=True)
def kick(v, f, weight, dt):
    """v += dt F/m in place."""
    for i in range(len(v)):
        for x in range(3):
            v[i, x] += dt * weight[i] * f[i, x]


@njit(cache=True)
def drift(r, v, dt):
    """r += dt v in place."""
    for i in range(len(r)):
        for x in range(3):
            r[i, x] += dt * v[i, x]


@njit(cache=True)
def before_forces(r, v, f, weight, dt, keep, width, offsets, stream, steps, seeds, after):
    """The part of a BAOAB step before its forces: kick, drift, noise, drift."""
    kick(v, f, weight, 0.5 * dt)
    drift(r, v, 0.5 * dt)
    thermalise(v, keep, width, offsets, stream, steps, seeds, after)
    drift(r, v, 0.5 * dt)


@njit(cache=True, error_model="numpy")
def shake(first, second, sizes, inverse, target, reference, moved, tolerance, iterations, out, error):
    """Write `moved` (n, 3) on the constraints to `out`, a copy of it, and errors of |r|²/d² to `error` (C, k)."""
    k = first.shape[1]
    old, new, now = np.empty((k, 3), moved.dtype), np.empty((k, 3), moved.dtype), np.empty((k, 3), moved.dtype)
    coupling, matrix = np.empty((k, k), moved.dtype), np.empty((k, k), moved.dtype)
    lam, rest = np.empty(k, moved.dtype), np.empty(k, moved.dtype)
    for c in range(len(first)):
        m = sizes[c]
        _couple(first[c], second[c], m, inverse, coupling)
        for i in range(m):
            lam[i] = 0.0
            for x in range(3):
                old[i, x] = reference[second[c, i], x] - reference[first[c, i], x]
                new[i, x] = moved[second[c, i], x] - moved[first[c, i], x]
        for iteration in range(iterations + 1):
            worst = 0.0
            for i in range(m):
                for x in range(3):
                    now[i, x] = new[i, x]
                    for j in range(m):
                        now[i, x] += coupling[i, j] * lam[j] * old[j, x]
                rest[i] = now[i, 0] ** 2 + now[i, 1] ** 2 + now[i, 2] ** 2 - target[c, i]
                error[c, i] = rest[i] / target[c, i]
                # not max(): it would lose a NaN
                if not abs(error[c, i]) <= worst:
                    worst = abs(error[c, i])
            if worst <= tolerance or iteration == iterations or not np.isfinite(worst):
                break
            for i in range(m):
                for j in range(m):
                    dot = now[i, 0] * old[j, 0] + now[i, 1] * old[j, 1] + now[i, 2] * old[j, 2]
                    matrix[i, j] = 2.0 * coupling[i, j] * dot
            _solve(matrix, rest, m)
            for i in range(m):
                lam[i] -= rest[i]
        _push(first[c], second[c], m, inverse, lam, old, out)


@njit(cache=True, error_model="numpy")
def drift_on(first, second, sizes, inverse, target, r, v, dt, tolerance, iterations, error, moved, right):
    """r += dt v on the constraints, and v by what they add, in place; `moved` and `right` (n, 3) are work arrays."""
    for i in range(len(r)):
        for x in range(3):
            moved[i, x] = right[i, x] = r[i, x] + dt * v[i, x]
    shake(first, second, sizes, inverse, target, r, moved, tolerance, iterations, right, error)
    for i in range(len(r)):
        for x in range(3):
            v[i, x] += (right[i, x] - moved[i, x]) / dt
            r[i, x] = right[i, x]


@njit(cache=True, error_model="numpy")
def rattle(first, second, sizes, inverse, positions, velocities, out):
    """Write velocities (n, 3) without components along the constraints to `out`, a copy of them."""
    k = first.shape[1]
    bonds, coupling = np.empty((k, 3), velocities.dtype), np.empty((k, k), velocities.dtype)
    matrix, rest = np.empty((k, k), velocities.dtype), np.empty(k, velocities.dtype)
    for c in range(len(first)):
        m = sizes[c]
        _couple(first[c], second[c], m, inverse, coupling)
        for i in range(m):
            rest[i] = 0.0
            for x in range(3):
                bonds[i, x] = positions[second[c, i], x] - positions[first[c, i], x]
                rest[i] -= bonds[i, x] * (velocities[second[c, i], x] - velocities[first[c, i], x])
        for i in range(m):
            for j in range(m):
                dot = bonds[i, 0] * bonds[j, 0] + bonds[i, 1] * bonds[j, 1] + bonds[i, 2] * bonds[j, 2]
                matrix[i, j] = coupling[i, j] * dot
        _solve(matrix, rest, m)
        _push(first[c], second[c], m, inverse, rest, bonds, out)


@njit(cache=True, error_model="numpy")
def _couple(first, second, m, inverse, coupling):
    """How much bond i changes with the multiplier of bond j."""
    for i in range(m):
        for j in range(m):
            a, b = first[i], second[i]
            value = 0.0
            if b == second[j]:
                value += inverse[b]
            elif b == first[j]:
                value -= inverse[b]
            if a == first[j]:
                value += inverse[a]
            elif a == second[j]:
                value -= inverse[a]
            coupling[i, j] = value


@njit(cache=True, error_model="numpy")
def _push(first, second, m, inverse, lam, bonds, out):
    for i in range(m):
        for x in range(3):
            push = lam[i] * bonds[i, x]
            out[second[i], x] += inverse[second[i]] * push
            out[first[i], x] -= inverse[first[i]] * push


@njit(cache=True, error_model="numpy")
def _solve(matrix, rest, m):
    """Solve matrix x = rest in place, x in `rest`, by elimination with pivoting of the leading m rows."""
    for i in range(m):
        pivot = i
        for row in range(i + 1, m):
            if abs(matrix[row, i]) > abs(matrix[pivot, i]):
                pivot = row
        if pivot != i:
            for column in range(i, m):
                matrix[i, column], matrix[pivot, column] = matrix[pivot, column], matrix[i, column]
            rest[i], rest[pivot] = rest[pivot], rest[i]
        if matrix[i, i] == 0.0:  # singular, which no step of dynamics makes it: detected by the remaining error
            rest[i] = np.nan
            continue
        for row in range(i + 1, m):
            factor = matrix[row, i] / matrix[i, i]
            for column in range(i + 1, m):
                matrix[row, column] -= factor * matrix[i, column]
            rest[row] -= factor * rest[i]
    for i in range(m - 1, -1, -1):
        for column in range(i + 1, m):
            rest[i] -= matrix[i, column] * rest[column]
        rest[i] /= matrix[i, i] if matrix[i, i] != 0.0 else 1.0
