"""Lennard-Jones and electrostatics over clusters and their slots, compiled: energies, forces and virials in one pass.

The inner loop has no branch and reads and writes one buffer at fixed distances, so that the compiler makes vector
instructions of it: what it takes for that are unsigned indices and division without a check. An interaction that there
is not is None, by whose type the compiler leaves it out.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.polynomial import chebyshev
from scipy.special import erfcx

from labkit.forcefield.kernels.slots import ROOM, fill, gather, hide, placed, push, push_own
from labkit.forcefield.kernels.vector_math import FAST

WORK_PER_THREAD = 3_000  # slots: a thread has a buffer of forces of its own, fewer are not worth it
Y, Z, SIGMA, ROOT, CHARGE, FX, FY, FZ = (np.uint64(k * ROOM) for k in range(1, 9))
FAR = 1e150  # Å, where a slot is that has no pair; its square is a number, and 1/FAR counts nothing
_A, _DEGREE, _HALVINGS = 3.0, 20, 6


def _fitted() -> tuple[float, ...]:
    """Powers of t = (x - a)/(x + a) in exp(x²) erfc(x) (x + a)/2a, to 5e-15 for all x >= 0."""
    t = chebyshev.chebpts1(200)
    x = _A * (1 + t) / (1 - t)
    return tuple(chebyshev.cheb2poly(chebyshev.chebfit(t, erfcx(x) * (x + _A) / (2 * _A), _DEGREE)))


ERFCX = _fitted()
EXP = tuple(1 / math.factorial(k) / 2.0 ** (_HALVINGS * k) for k in range(12))


@njit(fastmath=FAST, nogil=True, error_model="numpy", inline="always")
def _exp_erfcx(x):
    """exp(-x²) and erfcx(x), to 1e-14: polynomials, because the library's functions stop the use of vectors."""
    y = min(x * x, 40.0)
    small, scaled = 0.0, 0.0
    for k in range(12):
        small = small * -y + EXP[11 - k]
    for _ in range(_HALVINGS):
        small = small * small
    inverse = 1.0 / (x + _A)
    t = (x - _A) * inverse
    for k in range(_DEGREE + 1):
        scaled = scaled * t + ERFCX[_DEGREE - k]
    return small, 2.0 * _A * inverse * scaled


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def _row(m, x, y, z, sigma, root, charge, b, cut2, lj, switch, width, k_rf, c_rf, alpha):
    """Energy and force of an atom with m slots, forces on which are added to the buffer b."""
    fx = fy = fz = energy = 0.0
    for k in range(m):
        p = np.uint64(k)
        dx, dy, dz = b[p] - x, b[p + Y] - y, b[p + Z] - z
        r2 = dx * dx + dy * dy + dz * dz
        inverse2 = 1.0 / r2
        inverse = math.sqrt(inverse2)
        u = slope = 0.0  # slope: -(1/r) du/dr
        if lj is not None:
            mean = 0.5 * (sigma + b[p + SIGMA])
            s2 = mean * mean * inverse2
            s6 = s2 * s2 * s2
            six = 4.0 * root * b[p + ROOT] * s6
            twelve = six * s6
            u, slope = twelve - six, (12.0 * twelve - 6.0 * six) * inverse2
            if switch is not None:
                t = (r2 * inverse - switch) * width
                t = t if t > 0.0 else 0.0
                w = 1.0 - t * t * t * (10.0 + t * (6.0 * t - 15.0))
                slope = slope * w + u * inverse * 30.0 * t * t * (1.0 - t) * (1.0 - t) * width
                u *= w
        if k_rf is not None:
            qq = charge * b[p + CHARGE]
            u += qq * (inverse + k_rf * r2 - c_rf)
            slope += qq * (inverse * inverse2 - 2.0 * k_rf)
        if alpha is not None:
            qq = charge * b[p + CHARGE]
            gauss, scaled = _exp_erfcx(alpha * r2 * inverse)
            u += qq * gauss * scaled * inverse
            slope += qq * gauss * (scaled * inverse + 1.1283791670955126 * alpha) * inverse2
        near = r2 < cut2
        u = u if near else 0.0
        slope = slope if near else 0.0
        gx, gy, gz = slope * dx, slope * dy, slope * dz
        energy += u
        fx -= gx
        fy -= gy
        fz -= gz
        b[p + FX] += gx
        b[p + FY] += gy
        b[p + FZ] += gz
    return energy, (fx, fy, fz)


@njit(cache=True, nogil=True, error_model="numpy")
def _chunk(
    low, high, place, cells, values, start, system, first, slot, shift, masked_first, masked,
    cut2, lj, switch, width, k_rf, c_rf, alpha, forces, energy, virial,
):  # fmt: skip
    most = 0
    for i in range(len(masked_first) - 1):
        most = max(most, masked_first[i + 1] - masked_first[i])
    b, at, was = np.empty(9 * ROOM), np.empty(most, np.int64), np.empty(most)
    for c in range(low, high):
        one, two, s = start[c], start[c + 1], system[c]
        origin = place[:, one]
        for begin in range(first[c], first[c + 1], ROOM):
            m = min(ROOM, first[c + 1] - begin)
            fill(begin, m, slot, shift, cells[s], place, b)
            for k in range(3):
                gather(begin, m, slot, values[k], b[(3 + k) * ROOM :])
                b[(6 + k) * ROOM : (6 + k) * ROOM + m] = 0.0
            for i in range(one, two):
                if begin == first[c]:
                    b[i - one] = FAR  # no pair with itself, nor again with those before it
                hidden = hide(begin - first[c], m, masked_first[i], masked_first[i + 1], masked, FAR, b, at, was)
                e, force = _row(
                    m, place[0, i], place[1, i], place[2, i], values[0, i], values[1, i], values[2, i], b,
                    cut2, lj, switch, width, k_rf, c_rf, alpha,
                )  # fmt: skip
                for k in range(hidden):
                    b[at[k]] = was[k]
                energy[s] += e
                push_own(i, force, place, origin, forces, virial[s])
            if begin == first[c]:
                for i in range(one, two):
                    b[i - one] = place[0, i]
            push(begin, m, slot, 6, b, origin, forces, virial[s])


@njit(cache=True, nogil=True, parallel=True)
def _chunks(
    edges, place, cells, values, start, system, first, slot, shift, masked_first, masked,
    cut2, lj, switch, width, k_rf, c_rf, alpha, forces, energy, virial,
):  # fmt: skip
    for k in prange(len(edges) - 1):
        _chunk(
            edges[k], edges[k + 1], place, cells, values, start, system, first, slot, shift, masked_first, masked,
            cut2, lj, switch, width, k_rf, c_rf, alpha, forces[k], energy[k], virial[k],
        )  # fmt: skip


@njit(cache=True, nogil=True)
def _add(order, sums, energies, virials, forces, energy, virial):
    """Add the sums of all threads, in their order, to what is there."""
    for k in range(len(sums)):
        for r in range(len(order)):
            for x in range(3):
                forces[order[r], x] += sums[k, x, r]
        for s in range(len(energy)):
            energy[s] += energies[k, s]
            for x in range(3):
                for y in range(3):
                    virial[s, x, y] += virials[k, s, x, y]


@njit(cache=True, nogil=True)
def largest_move(positions, then):
    """The largest distance between two arrays of positions; NaN where one is."""
    largest = 0.0
    for i in range(len(positions)):
        square = 0.0
        for k in range(3):
            square += (positions[i, k] - then[i, k]) ** 2
        if not square <= largest:  # not max(): it would lose a NaN
            largest = square
            if square != square:
                break
    return math.sqrt(largest)


def nonbonded(threads, positions, cells, clusters, values, interactions, forces, energy, virial):
    """Add forces (n, 3), energies (S,) and Σ f ⊗ r (S, 3, 3) of all pairs.

    values (3, n + 1): σ, sqrt(ε), charge by rank, zeros at the end; interactions: cutoff², lj, switch, 1/width, k_rf,
    c_rf, alpha. The sums have one order for one number of threads, so that results are the same to the bit.
    """
    order, moved, start, system, first, *slots = clusters.arrays()
    n, systems = len(order), len(cells)
    threads = max(1, min(threads, first[-1] // WORK_PER_THREAD))
    place = placed(positions, cells, order, moved, start, system, FAR)
    sums, energies, virials = (
        np.zeros((threads, 3, n + 1)),
        np.zeros((threads, systems)),
        np.zeros((threads, systems, 3, 3)),
    )
    arguments = (place, cells, values, start, system, first, *slots, *interactions)
    if threads == 1:
        _chunk(0, len(system), *arguments, sums[0], energies[0], virials[0])
    else:
        edges = np.searchsorted(first, np.linspace(0, first[-1], threads + 1)).astype(np.int64)
        edges[0], edges[-1] = 0, len(system)
        _chunks(edges, *arguments, sums, energies, virials)
    _add(order, sums, energies, virials, forces, energy, virial)
