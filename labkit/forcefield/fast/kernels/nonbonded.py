"""Lennard-Jones and electrostatics over clusters and their slots, compiled: energies, forces and virials in one pass.

The inner loop has no branches and reads and writes one buffer at fixed offsets, so that the compiler can vectorise it;
this also needs unsigned indices and unchecked division. A missing interaction is None: from this type the compiler
knows to leave it out.

In single precision a vector holds twice as many pairs. Positions are then relative to a cluster, subtracted in double
precision, and the contributions of clusters to forces, energies and virials are summed in double precision.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange
from numpy.polynomial import chebyshev
from scipy.special import erfcx

from labkit.compiling import njit
from labkit.forcefield.fast.kernels.slots import ROOM, fill, hide, placed, push, push_own, shift_vectors
from labkit.forcefield.fast.kernels.vector_math import FAST, polynomial

WORK_PER_THREAD = 3_000  # slots; fewer are not worth a thread with its own buffer of forces
Y, Z, FX, FY, FZ = (np.uint64(k * ROOM) for k in range(1, 6))
FAR = {np.float64: 1e150, np.float32: 1e15}  # Å, the place of a slot without a pair; FAR² is finite
_A, _HALVINGS = 3.0, 6


def _fitted(degree: int) -> list[float]:
    """exp(x²) erfc(x) (x + a)/2a as a polynomial in t = (x - a)/(x + a) for all x >= 0: 20 to 6e-15, 9 to 3e-7."""
    t = chebyshev.chebpts1(200)
    x = _A * (1 + t) / (1 - t)
    return chebyshev.cheb2poly(chebyshev.chebfit(t, erfcx(x) * (x + _A) / (2 * _A), degree)).tolist()


def _series(terms: int) -> list[float]:
    """exp(-y/2^halvings) in y."""
    return [(-1) ** k / math.factorial(k) / 2.0 ** (_HALVINGS * k) for k in range(terms)]


_scaled_erfcx = polynomial(_fitted(20), _fitted(9))
_root_of_exp = polynomial(_series(12), _series(8))


@njit(fastmath=FAST, nogil=True, error_model="numpy", inline="always")
def _exp_erfcx(x, b):
    """exp(-x²) and erfcx(x), to 1e-14 or 4e-6; by polynomials, as library functions prevent vectorisation."""
    real = b.dtype.type
    small = _root_of_exp(min(x * x, real(40.0)))
    for _ in range(_HALVINGS):
        small = small * small
    inverse = real(1.0) / (x + real(_A))
    return small, real(2.0 * _A) * inverse * _scaled_erfcx((x - real(_A)) * inverse)


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def _row(m, base, x, y, z, sigma, root, charge, b, values, cut2, lj, switch, width, k_rf, c_rf, alpha):
    """Energy and force of an atom with m slots from `base` on; the forces on these are added to the buffer b.

    values (3, P): σ, sqrt(ε) and charge of the slots, in the dtype of b
    """
    real = b.dtype.type
    zero, half, one, six = real(0.0), real(0.5), real(1.0), real(6.0)
    fx = fy = fz = energy = zero
    for k in range(m):
        p = np.uint64(k)
        q = np.uint64(base) + p
        dx, dy, dz = b[p] - x, b[p + Y] - y, b[p + Z] - z
        r2 = dx * dx + dy * dy + dz * dz
        inverse2 = one / r2
        inverse = math.sqrt(inverse2)
        u = slope = zero  # slope: -(1/r) du/dr
        if lj is not None:
            mean = half * (sigma + values[0, q])
            s2 = mean * mean * inverse2
            s6 = s2 * s2 * s2
            attractive = real(4.0) * root * values[1, q] * s6
            repulsive = attractive * s6
            u, slope = repulsive - attractive, six * (repulsive + repulsive - attractive) * inverse2
            if switch is not None:
                t = (r2 * inverse - switch) * width
                t = t if t > zero else zero
                w = one - t * t * t * (real(10.0) + t * (six * t - real(15.0)))
                slope = slope * w + u * inverse * real(30.0) * t * t * (one - t) * (one - t) * width
                u *= w
        if k_rf is not None:
            qq = charge * values[2, q]
            u += qq * (inverse + k_rf * r2 - c_rf)
            slope += qq * (inverse * inverse2 - k_rf - k_rf)
        if alpha is not None:
            qq = charge * values[2, q]
            gauss, scaled = _exp_erfcx(alpha * r2 * inverse, b)
            u += qq * gauss * scaled * inverse
            slope += qq * gauss * (scaled * inverse + real(1.1283791670955126) * alpha) * inverse2
        near = r2 < cut2
        u = u if near else zero
        slope = slope if near else zero
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
    low, high, place, cells, values, slot_values, start, system, first, slot, moves, move, masked_first, masked,
    far, cut2, lj, switch, width, k_rf, c_rf, alpha, forces, energy, virial,
):  # fmt: skip
    real, most = values.dtype.type, 0
    for i in range(len(masked_first) - 1):
        most = max(most, masked_first[i + 1] - masked_first[i])
    b, at, was = np.empty(6 * ROOM, values.dtype), np.empty(most, np.int64), np.empty(most, values.dtype)
    table = np.empty((len(moves), 3))
    for c in range(low, high):
        one, two, s = start[c], start[c + 1], system[c]
        if c == low or s != system[c - 1]:
            shift_vectors(moves, cells[s], table)
        origin = place[one]
        for begin in range(first[c], first[c + 1], ROOM):
            m = min(ROOM, first[c + 1] - begin)
            fill(begin, m, slot, move, table, place, origin, b)
            full = (m + 15) // 16 * 16  # complete vectors also in single precision
            for p in range(m, full):
                b[p], b[p + ROOM], b[p + 2 * ROOM] = far, real(0.0), real(0.0)
            for k in range(3, 6):
                for p in range(k * ROOM, k * ROOM + full):
                    b[p] = real(0.0)
            for i in range(one, two):
                if begin == first[c]:
                    b[i - one] = far  # no pair with itself, and none twice
                hidden = hide(begin - first[c], m, masked_first[i], masked_first[i + 1], masked, far, b, at, was)
                x, y, z = place[i, 0] - origin[0], place[i, 1] - origin[1], place[i, 2] - origin[2]
                if values[1, i] == real(0.0):  # without Lennard-Jones, as hydrogens of most water models
                    e, force = _row(
                        full, begin, real(x), real(y), real(z), real(0.0), real(0.0), values[2, i], b, slot_values,
                        cut2, None, None, None, k_rf, c_rf, alpha,
                    )  # fmt: skip
                else:
                    e, force = _row(
                        full, begin, real(x), real(y), real(z), values[0, i], values[1, i], values[2, i], b,
                        slot_values, cut2, lj, switch, width, k_rf, c_rf, alpha,
                    )  # fmt: skip
                for k in range(hidden):
                    b[at[k]] = was[k]
                energy[s] += e
                push_own(i, force, place, origin, forces, virial[s])
            if begin == first[c]:
                for i in range(one, two):
                    b[i - one] = place[i, 0] - origin[0]
            push(begin, m, slot, 3, b, forces, virial[s])


@njit(cache=True, nogil=True, parallel=True)
def _chunks(shares, tasks, arguments, forces, energy, virial):
    for thread in prange(len(shares) - 1):
        for t in range(shares[thread], shares[thread + 1]):
            low, high, part = tasks[t]
            _chunk(low, high, *arguments, forces[part], energy[part], virial[part])


@njit(cache=True, nogil=True)
def _add(order, sums, energies, virials, forces, energy, virial):
    """Add the sums of all parts, in order, to the results."""
    for k in range(len(sums)):
        for r in range(len(order)):
            for x in range(3):
                forces[order[r], x] += sums[k, r, x]
        for s in range(len(energy)):
            energy[s] += energies[k, s]
            for x in range(3):
                for y in range(3):
                    virial[s, x, y] += virials[k, s, x, y]


@njit(cache=True, nogil=True)
def _all(work, positions, cells, values, slot_values, lists, far, interactions, forces, energy, virial):
    order, moved, start, system, first, slot, moves, move, masked_first, masked = lists
    place = placed(positions, cells, order, moved, start, system, far)
    shares, tasks, parts = work
    n, systems = len(order), len(cells)
    sums, energies = np.zeros((parts, n + 1, 3)), np.zeros((parts, systems))
    virials = np.zeros((parts, systems, 3, 3))
    arguments = (
        place, cells, values, slot_values, start, system, first, slot, moves, move, masked_first, masked, far,
        *interactions,
    )  # fmt: skip
    if len(shares) == 2 and parts == 1:
        _chunk(0, len(system), *arguments, sums[0], energies[0], virials[0])
    else:
        _chunks(shares, tasks, arguments, sums, energies, virials)
    _add(order, sums, energies, virials, forces, energy, virial)


@njit(cache=True, nogil=True)
def may_lack_pairs(positions, then, cells, box, offsets, skin):
    """Whether any cell has changed, or the two largest moves in a system add up to more than `skin`."""
    for s in range(len(cells)):
        for k in range(3):
            for x in range(3):
                if cells[s, k, x] != box[s, k, x]:
                    return True
    found = np.empty(len(cells))
    two_largest_moves(positions, then, offsets, found)
    return not (found <= skin).all()  # also for NaN


@njit(cache=True, nogil=True)
def two_largest_moves(positions, then, offsets, found):
    """Sum of the two largest distances between two arrays of positions in each system (S,); NaN if one is."""
    for s in range(len(found)):
        largest = second = 0.0
        for i in range(offsets[s], offsets[s + 1]):
            square = 0.0
            for k in range(3):
                square += (positions[i, k] - then[i, k]) ** 2
            if square != square:
                largest = square
                break
            if square > second:
                second = square
                if second > largest:
                    largest, second = second, largest
        found[s] = math.sqrt(largest) + math.sqrt(second)


def work_of(threads, clusters):
    """How threads share the clusters: (tasks of each thread, tasks (first cluster, last, part), number of parts).

    A large system is divided into parts by its own clusters, whatever else is in the batch, so that its sums, one for
    each part, have the same order in any batch; parts of one system may go to different threads.
    """
    first, system = clusters.first, clusters.system
    if threads == 1:
        return np.array([0, 1]), np.array([[0, len(system), 0]]), 1
    edges = np.flatnonzero(np.diff(system, prepend=-1, append=-1))
    parts = np.clip((first[edges[1:]] - first[edges[:-1]]) // WORK_PER_THREAD, 1, threads)
    if parts.max(initial=1) == 1:
        tasks = np.stack([edges[:-1], edges[1:], np.zeros(len(parts), np.int64)], 1)
    else:
        tasks = []
        for low, high, count in zip(edges[:-1].tolist(), edges[1:].tolist(), parts.tolist(), strict=True):
            cuts = low + np.searchsorted(first[low : high + 1], np.linspace(first[low], first[high], count + 1))
            cuts[0], cuts[-1] = low, high
            tasks += [(cuts[k], cuts[k + 1], k) for k in range(count)]
        tasks = np.array(tasks, np.int64)
    used = max(1, min(threads, first[-1] // WORK_PER_THREAD, len(tasks)))
    ends = first[tasks[:, 1]]
    shares = 1 + np.searchsorted(ends, np.linspace(0, first[-1], used + 1)[1:-1])
    return np.concatenate([[0], shares, [len(tasks)]]).astype(np.int64), tasks, int(parts.max(initial=1))


def nonbonded(work, positions, cells, clusters, values, slot_values, interactions, forces, energy, virial):
    """Add forces (n, 3), energies (S,) and Σ f ⊗ r (S, 3, 3) of all pairs.

    values (3, n + 1): σ, sqrt(ε), charge by rank, zeros at the end; slot_values: those of the slots, and 16 more
    because vectors may extend beyond the end; interactions: cutoff², lj, switch, 1/width, k_rf, c_rf, alpha. Pairs are
    computed in the precision of the values. For a given number of threads the sums have a fixed order, so that results
    are the same to the bit; work: from `work_of`.
    """
    real = values.dtype.type
    _all(
        work, positions, cells, values, slot_values, clusters.arrays(), real(FAR[real]), interactions, forces, energy,
        virial,
    )  # fmt: skip
