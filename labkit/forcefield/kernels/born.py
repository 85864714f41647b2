"""Generalized Born over clusters and their slots, compiled: radii, pairs, and the forces back through the radii.

Three passes over the pairs of one system at a time: what each atom takes from the other's surroundings, with its
derivative; the energy of the charges, with its derivative in the radii; the forces. What a pass knows of a pair is kept
for the next in `kept`, three numbers a pair in rows of a multiple of LANES, and each pass is a loop without a branch
that the compiler makes vector instructions of (see nonbonded.py). A slot that counts nothing is moved to FAR.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from labkit.forcefield.kernels.slots import ROOM, fill, gather, hide, placed, push, push_own, scatter, shift_vectors
from labkit.forcefield.kernels.vector_math import FAST, exp_minus, log_ratios

X, Y, Z, RHO, SCALED, DEPTH, DISTANCE, DEPTH_J, DISTANCE_J, TAKEN = (np.uint64(k * ROOM) for k in range(10))
CHARGE, SIZE, BY_SIZE, PULL = (np.uint64(k * ROOM) for k in range(4))
CHAIN, FX, FY, FZ = (np.uint64(k * ROOM) for k in range(3, 7))
FAR = 1e6  # Å
FAR2 = 1e11  # Å², beyond all but what is at FAR
WORK_PER_THREAD = 3_000  # slots


@njit(fastmath=FAST, nogil=True, error_model="numpy", inline="always")
def _limits(r, rho, s):
    """Radii L and U between which a sphere s at distance r is seen, and what dI/dr has where it holds the centre.

    The derivatives through U = r + s and L = r - s vanish, that through L = s - r does not.
    """
    apart = abs(r - s)
    low = apart if apart > rho else rho
    high = r + s if r + s > rho else low  # where ρ engulfs s, all parts cancel; s may be negative
    return low, high, 1.0 if s - r > rho else 0.0


@njit(fastmath=FAST, nogil=True, error_model="numpy", inline="always")
def _integral(r, inverse, s, l, u, log, held):
    """What a sphere s at distance r takes from the surroundings of ρ, and its derivative in r; l = 1/L, u = 1/U."""
    turn, part = s * inverse, 0.5 * inverse * log
    squares = 0.25 * (u - l) * (u + l)
    rest = turn * turn * squares
    return 0.5 * (l - u + r * (squares - rest) + part), 0.5 * (squares + rest - inverse * part) + held * l * l


@njit(fastmath=FAST, nogil=True, error_model="numpy", inline="always")
def _integrals(r, inverse, rho, s, other_rho, other_s):
    """Both atoms' I and dI/dr of a pair."""
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
    """Mongan's corrections for the neck between two spheres, of both, and their derivatives in r."""
    x, y = r - distance_i, r - distance_j
    x2, y2 = x * x, y * y
    x4, y4 = x2 * x2, y2 * y2
    one, two = 1.0 + x2 * (1.0 + 0.3 * x4), 1.0 + y2 * (1.0 + 0.3 * y4)
    over = 1.0 / (one * two)
    one, two = over * two, over * one
    i, j = depth_i * one, depth_j * two
    return i, -i * one * x * (2.0 + 1.8 * x4), j, -j * two * y * (2.0 + 1.8 * y4)


@njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")
def _take_row(m, x, y, z, rho, scaled, reach, cut2, b, kept, row, width):
    """I of an atom from m slots, whose own are added to the buffer; (1/r) dI/dr of both and r² are kept."""
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
def _charge_row(m, charge, size, solute, solvent, kappa, shifted, cut2, b, kept, row):
    """Energy of an atom with m slots and its dE/dB, theirs added to the buffer; (1/r) dE/dr takes the place of r²."""
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
def _push_row(m, x, y, z, chain, b, kept, row, width):
    """Force on an atom from m slots, whose own are added to the buffer."""
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


@njit(cache=True, nogil=True, error_model="numpy")
def _take(
    low, high, place, cells, start, system, first, slot, moves, move, masked_first, masked, row, rho, scaled, kinds,
    depth, distance, reach, cut2, kept, integral,
):  # fmt: skip
    """The first pass over clusters low to high: add to `integral` (n + 1,)."""
    b, (at, was), table = np.empty(10 * ROOM), _room(masked_first), np.empty((len(moves), 3))
    for c in range(low, high):
        width, origin = first[c + 1] - first[c], place[:, start[c]]
        if c == low or system[c] != system[c - 1]:
            shift_vectors(moves, cells[system[c]], table)
        for begin in range(first[c], first[c + 1], ROOM):
            m, kind = min(ROOM, first[c + 1] - begin), -1
            fill(begin, m, slot, move, table, place, origin, b)
            gather(begin, m, slot, rho, b[3 * ROOM :])
            gather(begin, m, slot, scaled, b[4 * ROOM :])
            for p in range(9 * ROOM, 9 * ROOM + m):
                b[p] = 0.0
            for i in range(start[c], start[c + 1]):
                if begin == first[c]:
                    b[i - start[c]] = FAR  # no pair with itself, nor again with those before it
                if reach is not None and kinds[i] != kind:
                    kind = kinds[i]
                    for p in range(m):
                        other = kinds[slot[begin + p]]
                        b[p + 5 * ROOM], b[p + 6 * ROOM] = depth[kind, other], distance[kind, other]
                        b[p + 7 * ROOM], b[p + 8 * ROOM] = depth[other, kind], distance[other, kind]
                hidden = hide(begin - first[c], m, masked_first[i], masked_first[i + 1], masked, FAR, b, at, was)
                integral[i] += _take_row(
                    m, place[0, i] - origin[0], place[1, i] - origin[1], place[2, i] - origin[2], rho[i], scaled[i], reach,
                    cut2, b, kept,
                    row[c] + 3 * width * (i - start[c]) + begin - first[c], width,
                )  # fmt: skip
                for k in range(hidden):
                    b[at[k]] = was[k]
            scatter(begin, m, slot, b[9 * ROOM :], integral)


@njit(cache=True, nogil=True)
def _room(masked_first):
    most = 0
    for i in range(len(masked_first) - 1):
        most = max(most, masked_first[i + 1] - masked_first[i])
    return np.empty(most, np.int64), np.empty(most)


@njit(cache=True, nogil=True, error_model="numpy")
def _radii(
    low, high, charges, rho, radii, shape, saturating, solute, solvent, kappa, surface, probe, integral, size, grows,
    pull,
):  # fmt: skip
    """Energy of the atoms low to high alone; B, dB/dI and dE/dB of it."""
    energy = 0.0
    for i in range(low, high):
        psi = rho[i] * integral[i]
        a, b, c = shape[i]
        filled, slope = psi * (a - psi * (b - c * psi)), a - psi * (2.0 * b - 3.0 * c * psi)
        if saturating:
            bent = math.tanh(filled)
            size[i] = 1.0 / (1.0 / rho[i] - bent / radii[i])
            grows[i] = size[i] * size[i] * (1.0 - bent * bent) * slope * rho[i] / radii[i]
        else:
            size[i] = 1.0 / (1.0 / rho[i] - filled / rho[i])
            grows[i] = size[i] * size[i] * slope
        inverse, salt = 1.0 / size[i], 0.0 if kappa is None else kappa
        damp = solvent * math.exp(-salt * size[i])
        half = 0.5 * charges[i] * charges[i] * inverse
        skin = surface * (radii[i] + probe) ** 2 * (radii[i] * inverse) ** 6
        energy += skin - half * (solute - damp)
        pull[i] = half * ((solute - damp) * inverse - salt * damp) - 6.0 * skin * inverse
    return energy


@njit(cache=True, nogil=True, error_model="numpy")
def _charge(low, high, start, first, slot, row, charges, size, solute, solvent, kappa, shifted, cut2, kept, pull):
    """The second pass: energy of the pairs, their dE/dB added to `pull` (n + 1,)."""
    b, energy = np.empty(4 * ROOM), 0.0
    for c in range(low, high):
        width = first[c + 1] - first[c]
        for begin in range(first[c], first[c + 1], ROOM):
            m = min(ROOM, first[c + 1] - begin)
            gather(begin, m, slot, charges, b)
            gather(begin, m, slot, size, b[ROOM:])
            for p in range(m):
                b[p + 2 * ROOM], b[p + 3 * ROOM] = 1.0 / b[p + ROOM], 0.0
            for i in range(start[c], start[c + 1]):
                place = row[c] + (3 * (i - start[c]) + 2) * width + begin - first[c]
                e, own = _charge_row(m, charges[i], size[i], solute, solvent, kappa, shifted, cut2, b, kept, place)
                energy += e
                pull[i] += own
            scatter(begin, m, slot, b[3 * ROOM :], pull)
    return energy


@njit(cache=True, nogil=True, error_model="numpy")
def _push(low, high, place, cells, start, system, first, slot, moves, move, row, chain, kept, forces, virial):
    """The third pass: forces (3, n + 1) and Σ f ⊗ r."""
    b, table = np.empty(7 * ROOM), np.empty((len(moves), 3))
    for c in range(low, high):
        width, origin = first[c + 1] - first[c], place[:, start[c]]
        if c == low or system[c] != system[c - 1]:
            shift_vectors(moves, cells[system[c]], table)
        for begin in range(first[c], first[c + 1], ROOM):
            m = min(ROOM, first[c + 1] - begin)
            fill(begin, m, slot, move, table, place, origin, b)
            gather(begin, m, slot, chain, b[3 * ROOM :])
            for k in range(4, 7):
                for p in range(k * ROOM, k * ROOM + m):
                    b[p] = 0.0
            for i in range(start[c], start[c + 1]):
                at = row[c] + 3 * width * (i - start[c]) + begin - first[c]
                x, y, z = place[0, i] - origin[0], place[1, i] - origin[1], place[2, i] - origin[2]
                force = _push_row(m, x, y, z, chain[i], b, kept, at, width)
                push_own(i, force, place, origin, forces, virial)
            push(begin, m, slot, 4, b, forces, virial)


@njit(cache=True, nogil=True, error_model="numpy")
def _system(s, edges, place, cells, clusters, row, atoms, necks, water, cut2, work, forces, energy, virial):
    """All three passes over one system."""
    start, system, first, slot, moves, move, masked_first, masked = clusters
    charges, radii, rho, scaled, shape, kinds = atoms
    depth, distance, reach = necks
    saturating, solute, solvent, kappa, shifted, surface, probe = water
    kept, integral, size, grows, pull = work
    low, high = edges[s], edges[s + 1]
    one, two = start[low], start[high]
    _take(
        low, high, place, cells, start, system, first, slot, moves, move, masked_first, masked, row, rho, scaled, kinds,
        depth, distance, reach, cut2, kept, integral,
    )  # fmt: skip
    energy[s] += _radii(
        one, two, charges, rho, radii, shape, saturating, solute, solvent, kappa, surface, probe, integral, size,
        grows, pull,
    )  # fmt: skip
    energy[s] += _charge(
        low, high, start, first, slot, row, charges, size, solute, solvent, kappa, shifted, cut2, kept, pull
    )
    for i in range(one, two):
        pull[i] *= grows[i]
    pull[len(pull) - 1] = 0.0
    _push(low, high, place, cells, start, system, first, slot, moves, move, row, pull, kept, forces, virial[s])


@njit(cache=True, nogil=True, error_model="numpy")
def _systems(low, high, edges, place, cells, clusters, row, room, atoms, necks, water, cut2, forces, energy, virial):
    n = place.shape[1]
    work = np.empty(room), np.zeros(n), np.ones(n), np.zeros(n), np.zeros(n)
    for s in range(low, high):
        _system(s, edges, place, cells, clusters, row, atoms, necks, water, cut2, work, forces, energy, virial)


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _systems_apart(groups, edges, place, cells, clusters, row, room, atoms, necks, water, cut2, forces, energy, virial):
    """Each thread has systems of its own."""
    for k in prange(len(groups) - 1):
        _systems(
            groups[k], groups[k + 1], edges, place, cells, clusters, row, room, atoms, necks, water, cut2, forces,
            energy, virial,
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _system_divided(cuts, place, cells, clusters, row, room, atoms, necks, water, cut2, forces, energy, virial):
    """The threads divide the clusters of one system; sums in the order of the threads."""
    start, system, first, slot, moves, move, masked_first, masked = clusters
    charges, radii, rho, scaled, shape, kinds = atoms
    depth, distance, reach = necks
    saturating, solute, solvent, kappa, shifted, surface, probe = water
    n, threads, s = place.shape[1], len(cuts) - 1, system[cuts[0]]
    one, two = start[cuts[0]], start[cuts[threads]]
    kept, size, grows, pull = np.empty(room), np.ones(n), np.zeros(n), np.zeros(n)
    parts, pushes = np.zeros((threads, n)), np.zeros((threads, 3, n))
    energies, virials = np.zeros(threads), np.zeros((threads, 3, 3))
    for k in prange(threads):
        _take(
            cuts[k], cuts[k + 1], place, cells, start, system, first, slot, moves, move, masked_first, masked, row, rho,
            scaled, kinds, depth, distance, reach, cut2, kept, parts[k],
        )  # fmt: skip
    energy[s] += _radii(
        one, two, charges, rho, radii, shape, saturating, solute, solvent, kappa, surface, probe, _added(parts),
        size, grows, pull,
    )  # fmt: skip
    parts[:] = 0.0
    for k in prange(threads):
        energies[k] = _charge(
            cuts[k], cuts[k + 1], start, first, slot, row, charges, size, solute, solvent, kappa, shifted, cut2, kept,
            parts[k],
        )  # fmt: skip
    chain = (pull + _added(parts)) * grows
    chain[n - 1] = 0.0
    for k in prange(threads):
        _push(
            cuts[k], cuts[k + 1], place, cells, start, system, first, slot, moves, move, row, chain, kept, pushes[k],
            virials[k],
        )  # fmt: skip
    for k in range(threads):
        energy[s] += energies[k]
        virial[s] += virials[k]
        forces += pushes[k]


@njit(cache=True, nogil=True)
def _added(parts):
    total = np.zeros(parts.shape[1])
    for k in range(len(parts)):
        for i in range(len(total)):
            total[i] += parts[k, i]
    return total


@njit(cache=True, nogil=True)
def rows_of(start, system, first):
    """Where what is kept of each cluster (C,) begins, counted from the first one of its system, and the most of all."""
    row, room, at = np.zeros(len(system), np.int64), 0, 0
    for c in range(len(system)):
        if c and system[c] != system[c - 1]:
            at = 0
        row[c] = at
        at += 3 * (start[c + 1] - start[c]) * (first[c + 1] - first[c])
        room = max(room, at)
    return row, room


@njit(cache=True, nogil=True)
def _back(order, found, forces):
    for r in range(len(order)):
        for k in range(3):
            forces[order[r], k] += found[k, r]


def born(threads, positions, cells, clusters, edges, rows, atoms, necks, water, cut2, forces, energy, virial):
    """Add energies (S,) eV, forces (n, 3) eV/Å and Σ f ⊗ r (S, 3, 3) eV.

    edges (S + 1,)  first cluster of each system; rows: what `rows_of` makes of the clusters
    atoms           by rank, and one more that counts nothing: charges times sqrt(k_e), R, ρ, s, shape, kinds of necks
    necks           depth (K, K) 1/Å, distance (K, K) Å, how much farther than ρ_i + ρ_j necks reach or None for none
    water           saturating, 1/ε_solute, 1/ε_solvent, κ or None, 1/r_c, 4π γ, probe; cut2: r_c² or None

    The sums have one order for one number of threads, so that results are the same to the bit.
    """
    order, moved, start, system, first, *slots = clusters.arrays()
    row, room = rows
    place = placed(positions, cells, order, moved, start, system, FAR)
    found = np.zeros_like(place)
    lists, systems = (start, system, first, *slots), len(cells)
    threads = max(1, min(threads, first[-1] // WORK_PER_THREAD))
    shared = (place, cells, lists, row, room, atoms, necks, water, cut2, found, energy, virial)
    if threads == 1:
        _systems(0, systems, edges, *shared)
    elif systems >= threads:
        _systems_apart(np.linspace(0, systems, threads + 1).astype(np.int64), edges, *shared)
    else:
        for s in range(systems):
            low, high = edges[s], edges[s + 1]
            parts = np.linspace(first[low], first[high], threads + 1)
            cuts = low + np.searchsorted(first[low : high + 1], parts).astype(np.int64)
            _system_divided(cuts, *shared)
    _back(order, found, forces)
