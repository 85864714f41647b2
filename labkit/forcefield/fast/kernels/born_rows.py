"""Generalized Born: an atom and its slots, in the three passes of born.py, each a loop without branches."""

from __future__ import annotations

import math

import numpy as np

from labkit.compiling import njit
from labkit.forcefield.fast.kernels.slots import ROOM
from labkit.forcefield.fast.kernels.vector_math import FAST, exp_minus, log_ratios

X, Y, Z, RHO, SCALED, DEPTH, DISTANCE, DEPTH_J, DISTANCE_J, TAKEN = (np.uint64(k * ROOM) for k in range(10))
CHARGE, SIZE, BY_SIZE, PULL = (np.uint64(k * ROOM) for k in range(4))
CHAIN, FX, FY, FZ = (np.uint64(k * ROOM) for k in range(3, 7))
FAR = 1e20  # Å: beyond any atom, and its twelfth power is finite
FAR2 = 1e30  # Å², more than any distance except to FAR


@njit(fastmath=FAST, nogil=True, error_model="numpy", inline="always")
def _limits(r, rho, s):
    """The limits L and U of I for a sphere s at distance r, and 1 if it contains the sphere ρ, else 0.

    The derivatives of I through U = r + s and L = r - s vanish, the one through L = s - r does not.
    """
    apart = abs(r - s)
    low = apart if apart > rho else rho
    high = r + s if r + s > rho else low  # if ρ contains s, all parts cancel; s may be negative
    return low, high, 1.0 if s - r > rho else 0.0


@njit(fastmath=FAST, nogil=True, error_model="numpy", inline="always")
def _integral(r, inverse, s, l, u, log, held):
    """I of a sphere s at distance r, and its derivative with respect to r; l = 1/L, u = 1/U."""
    turn, part = s * inverse, 0.5 * inverse * log
    squares = 0.25 * (u - l) * (u + l)
    rest = turn * turn * squares
    return 0.5 * (l - u + r * (squares - rest) + part), 0.5 * (squares + rest - inverse * part) + held * l * l


@njit(fastmath=FAST, nogil=True, error_model="numpy", inline="always")
def _integrals(r, inverse, rho, s, other_rho, other_s):
    """I and dI/dr of both atoms of a pair."""
    low, high, held = _limits(r, rho, other_s)
    a, b, c = _limits(r, other_rho, s)
    log, other_log = log_ratios(low, high, a, b)
    one, two = low * high, a * b
    over = 1.0 / (one * two)
    one, two = over * two, over * one
    i, slope_i = _integral(r, inverse, other_s, one * high, one * low, log, held)
    j, slope_j = _integral(r, inverse, s, two * b, two * a, other_log, c)
    return i, slope_i, j, slope_j


@njit(fastmath=FAST, nogil=True, error_model="numpy", inline="always")
def _necks(r, depth_i, distance_i, depth_j, distance_j):
    """Mongan's neck corrections to I of both spheres, and their derivatives with respect to r."""
    x, y = r - distance_i, r - distance_j
    x2, y2 = x * x, y * y
    x4, y4 = x2 * x2, y2 * y2
    one, two = 1.0 + x2 * (1.0 + 0.3 * x4), 1.0 + y2 * (1.0 + 0.3 * y4)
    over = 1.0 / (one * two)
    one, two = over * two, over * one
    i, j = depth_i * one, depth_j * two
    return i, -i * one * x * (2.0 + 1.8 * x4), j, -j * two * y * (2.0 + 1.8 * y4)


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def take_row(m, x, y, z, rho, scaled, reach, cut2, b, kept, row, width):
    """I of an atom from m slots; that of the slots is added to the buffer; (1/r) dI/dr of both and r² are kept."""
    total = 0.0
    for k in range(m):
        p = np.uint64(k)
        q = np.uint64(row) + p
        dx, dy, dz = b[p] - x, b[p + Y] - y, b[p + Z] - z
        r2 = dx * dx + dy * dy + dz * dz
        inverse = 1.0 / math.sqrt(r2)
        r = r2 * inverse
        to_i, slope_i, to_j, slope_j = _integrals(r, inverse, rho, scaled, b[p + RHO], b[p + SCALED])
        if reach is not None:
            near = r < rho + b[p + RHO] + reach
            i, di, j, dj = _necks(
                r, b[p + DEPTH] if near else 0.0, b[p + DISTANCE], b[p + DEPTH_J] if near else 0.0, b[p + DISTANCE_J]
            )
            to_i, slope_i, to_j, slope_j = to_i + i, slope_i + di, to_j + j, slope_j + dj
        if cut2 is not None:
            counts = r2 < cut2
            to_i, slope_i = to_i if counts else 0.0, slope_i if counts else 0.0
            to_j, slope_j = to_j if counts else 0.0, slope_j if counts else 0.0
        total += to_i
        b[p + TAKEN] += to_j
        kept[q] = slope_i * inverse
        kept[q + np.uint64(width)] = slope_j * inverse
        kept[q + np.uint64(2 * width)] = r2
    return total


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def charge_row(m, charge, size, solute, solvent, kappa, shifted, cut2, b, kept, row):
    """Energy of an atom with m slots and its dE/dB; theirs is added to the buffer; (1/r) dE/dr replaces r²."""
    energy, pull, by_size = 0.0, 0.0, 1.0 / size
    for k in range(m):
        p = np.uint64(k)
        q = np.uint64(row) + p
        r2, other = kept[q], b[p + SIZE]
        counts = r2 < (FAR2 if cut2 is None else cut2)
        quarter = 0.25 * r2 * by_size * b[p + BY_SIZE]
        near = exp_minus(quarter)
        product = size * other
        inverse = 1.0 / math.sqrt(r2 + product * near)
        charges = charge * b[p + CHARGE] if counts else 0.0
        tau, bent = solute - solvent, 0.0
        if kappa is not None:
            f = 1.0 / inverse
            damp = solvent * exp_minus(kappa * f)
            tau, bent = solute - damp, kappa * damp * (1.0 - f * shifted)
        energy -= charges * tau * (inverse - shifted)
        df = charges * (tau * inverse - bent) * inverse * inverse  # (dE/df)/f
        across = 0.5 * df * near
        pull += across * (other + quarter * other)
        b[p + PULL] += across * (size + quarter * size)
        kept[q] = df * (1.0 - 0.25 * near)
    return energy, pull


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def push_row(m, x, y, z, chain, b, kept, row, width):
    """Force on an atom from m slots; the forces on these are added to the buffer."""
    fx = fy = fz = 0.0
    for k in range(m):
        p = np.uint64(k)
        q = np.uint64(row) + p
        dx, dy, dz = b[p] - x, b[p + Y] - y, b[p + Z] - z
        slope = kept[q + np.uint64(2 * width)] + chain * kept[q] + b[p + CHAIN] * kept[q + np.uint64(width)]
        gx, gy, gz = slope * dx, slope * dy, slope * dz
        fx += gx
        fy += gy
        fz += gz
        b[p + FX] -= gx
        b[p + FY] -= gy
        b[p + FZ] -= gz
    return fx, fy, fz
