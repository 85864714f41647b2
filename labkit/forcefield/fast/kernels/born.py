"""Generalized Born over clusters and their slots, compiled: radii, pairs, and the forces back through the radii.

Three passes over the pairs of one system at a time: the descreening integrals I of both atoms, with their derivatives;
the energy of the charges, with its derivatives with respect to the radii; the forces. Each pass stores what the next
one needs in `kept`, three numbers for each slot of each atom. The loops over slots are in born_rows.py. A slot that
does not count is moved to FAR.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from labkit.compiling import njit
from labkit.forcefield.fast.kernels.born_rows import FAR, charge_row, push_row, take_row
from labkit.forcefield.fast.kernels.slots import (
    ROOM,
    fill,
    gather,
    hide,
    placed,
    push,
    push_own,
    scatter,
    shift_vectors,
)

WORK_PER_THREAD = 3_000  # slots


@njit(cache=True, nogil=True, error_model="numpy")
def _take(
    low, high, place, cells, start, system, first, slot, moves, move, masked_first, masked, row, rho, scaled, kinds,
    depth, distance, reach, cut2, kept, integral,
):  # fmt: skip
    """The first pass over clusters low to high: add to `integral` (n + 1,)."""
    b, (at, was), table = np.empty(10 * ROOM), _buffers(masked_first), np.empty((len(moves), 3))
    for c in range(low, high):
        width, origin = first[c + 1] - first[c], place[start[c]]
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
                    b[i - start[c]] = FAR  # no pair with itself, and none twice
                if reach is not None and kinds[i] != kind:
                    kind = kinds[i]
                    for p in range(m):
                        other = kinds[slot[begin + p]]
                        b[p + 5 * ROOM], b[p + 6 * ROOM] = depth[kind, other], distance[kind, other]
                        b[p + 7 * ROOM], b[p + 8 * ROOM] = depth[other, kind], distance[other, kind]
                hidden = hide(begin - first[c], m, masked_first[i], masked_first[i + 1], masked, FAR, b, at, was)
                integral[i] += take_row(
                    m, place[i, 0] - origin[0], place[i, 1] - origin[1], place[i, 2] - origin[2], rho[i], scaled[i],
                    reach, cut2, b, kept,
                    row[c] + 3 * width * (i - start[c]) + begin - first[c], width,
                )  # fmt: skip
                for k in range(hidden):
                    b[at[k]] = was[k]
            scatter(begin, m, slot, b[9 * ROOM :], integral)


@njit(cache=True, nogil=True)
def _buffers(masked_first):
    most = 0
    for i in range(len(masked_first) - 1):
        most = max(most, masked_first[i + 1] - masked_first[i])
    return np.empty(most, np.int64), np.empty(most)


@njit(cache=True, nogil=True, error_model="numpy")
def _radii(
    low, high, charges, rho, radii, shape, saturating, solute, solvent, kappa, surface, probe, integral, size, grows,
    pull,
):  # fmt: skip
    """Self-energy of the atoms low to high; writes B, dB/dI and its dE/dB."""
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
    """The second pass: energy of the pairs; their dE/dB is added to `pull` (n + 1,)."""
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
                e, own = charge_row(m, charges[i], size[i], solute, solvent, kappa, shifted, cut2, b, kept, place)
                energy += e
                pull[i] += own
            scatter(begin, m, slot, b[3 * ROOM :], pull)
    return energy


@njit(cache=True, nogil=True, error_model="numpy")
def _push(low, high, place, cells, start, system, first, slot, moves, move, row, chain, kept, forces, virial):
    """The third pass: forces (n + 1, 3) and Σ f ⊗ r."""
    b, table = np.empty(7 * ROOM), np.empty((len(moves), 3))
    for c in range(low, high):
        width, origin = first[c + 1] - first[c], place[start[c]]
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
                x, y, z = place[i, 0] - origin[0], place[i, 1] - origin[1], place[i, 2] - origin[2]
                force = push_row(m, x, y, z, chain[i], b, kept, at, width)
                push_own(i, force, place, origin, forces, virial)
            push(begin, m, slot, 4, b, forces, virial)


@njit(cache=True, nogil=True, error_model="numpy")
def _system(s, own, place, cells, clusters, row, atoms, necks, water, cut2, work, forces, energy, virial):
    """All three passes over one system."""
    start, system, first, slot, moves, move, masked_first, masked = clusters
    charges, radii, rho, scaled, shape, kinds = atoms
    depth, distance, reach = necks
    saturating, solute, solvent, kappa, shifted, surface, probe = water
    kept, integral, size, grows, pull = work
    low, high = own
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


@njit(nogil=True, error_model="numpy", inline="always")
def _parts(cuts, place, cells, clusters, row, room, atoms, necks, water, cut2, forces, energy, virial):
    """A system whose clusters are divided into parts: sums in the order of the parts, on whichever threads they run."""
    start, system, first, slot, moves, move, masked_first, masked = clusters
    charges, radii, rho, scaled, shape, kinds = atoms
    depth, distance, reach = necks
    saturating, solute, solvent, kappa, shifted, surface, probe = water
    n, threads, s = place.shape[0], len(cuts) - 1, system[cuts[0]]
    one, two = start[cuts[0]], start[cuts[threads]]
    kept, size, grows, pull = np.empty(room), np.ones(n), np.zeros(n), np.zeros(n)
    parts, pushes = np.zeros((threads, n)), np.zeros((threads, n, 3))
    energies, virials = np.zeros(threads), np.zeros((threads, 3, 3))
    for k in prange(threads):
        _take(
            cuts[k], cuts[k + 1], place, cells, start, system, first, slot, moves, move, masked_first, masked, row, rho,
            scaled, kinds, depth, distance, reach, cut2, kept, parts[k],
        )  # fmt: skip
    energy[s] += _radii(
        one, two, charges, rho, radii, shape, saturating, solute, solvent, kappa, surface, probe, _sum_of_parts(parts),
        size, grows, pull,
    )  # fmt: skip
    parts[:] = 0.0
    for k in prange(threads):
        energies[k] = _charge(
            cuts[k], cuts[k + 1], start, first, slot, row, charges, size, solute, solvent, kappa, shifted, cut2, kept,
            parts[k],
        )  # fmt: skip
    chain = (pull + _sum_of_parts(parts)) * grows
    chain[n - 1] = 0.0
    for k in prange(threads):
        _push(
            cuts[k], cuts[k + 1], place, cells, start, system, first, slot, moves, move, row, chain, kept, pushes[k],
            virials[k],
        )  # fmt: skip
    for k in range(threads):
        energy[s] += energies[k]
        virial[s] += virials[k]
        for i in range(one, two):  # other threads may be adding to the atoms of other systems
            forces[i] += pushes[k, i]


@njit(cache=True, nogil=True, error_model="numpy")
def _systems(
    low, high, cuts, cut, place, cells, clusters, row, room, atoms, necks, water, cut2, forces, energy, virial
):
    """Some systems one after another; cuts[cut[s]:cut[s + 1]] are the first clusters of the parts of s, and the end."""
    n = place.shape[0]
    work = np.empty(room), np.zeros(n), np.ones(n), np.zeros(n), np.zeros(n)
    for s in range(low, high):
        if cut[s + 1] - cut[s] == 2:
            own = cuts[cut[s]], cuts[cut[s] + 1]
            _system(s, own, place, cells, clusters, row, atoms, necks, water, cut2, work, forces, energy, virial)
        else:
            own = cuts[cut[s] : cut[s + 1]]
            _parts(own, place, cells, clusters, row, room, atoms, necks, water, cut2, forces, energy, virial)


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _systems_apart(
    groups, cuts, cut, place, cells, clusters, row, room, atoms, necks, water, cut2, forces, energy, virial
):  # fmt: skip
    """The threads divide the systems."""
    for k in prange(len(groups) - 1):
        _systems(
            groups[k], groups[k + 1], cuts, cut, place, cells, clusters, row, room, atoms, necks, water, cut2, forces,
            energy, virial,
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _system_divided(cuts, place, cells, clusters, row, room, atoms, necks, water, cut2, forces, energy, virial):
    """The threads divide the clusters of one system."""
    _parts(cuts, place, cells, clusters, row, room, atoms, necks, water, cut2, forces, energy, virial)


@njit(cache=True, nogil=True)
def _sum_of_parts(parts):
    total = np.zeros(parts.shape[1])
    for k in range(len(parts)):
        for i in range(len(total)):
            total[i] += parts[k, i]
    return total


@njit(cache=True, nogil=True)
def rows_of(start, system, first):
    """Where each cluster's numbers begin in `kept` (C,), counted from the first of its system; the size of `kept`."""
    row, room, at = np.zeros(len(system), np.int64), 0, 0
    for c in range(len(system)):
        if c and system[c] != system[c - 1]:
            at = 0
        row[c] = at
        at += 3 * (start[c + 1] - start[c]) * (first[c + 1] - first[c])
        room = max(room, at)
    return row, room


def divided(threads, system, first):
    """(cuts, cut): the first clusters of the parts of a system s, and the end, are cuts[cut[s]:cut[s + 1]].

    The number of parts depends only on the system's slots, so that its sums have the same order in any batch.
    """
    edges = np.flatnonzero(np.diff(system, prepend=-1, append=-1))
    found = []
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        parts = int(np.clip((first[high] - first[low]) // WORK_PER_THREAD, 1, threads))
        found.append(low + np.searchsorted(first[low : high + 1], np.linspace(first[low], first[high], parts + 1)))
    return np.concatenate(found), np.concatenate([[0], np.cumsum([len(cuts) for cuts in found])])


@njit(cache=True, nogil=True)
def _back(order, found, forces):
    for r in range(len(order)):
        for k in range(3):
            forces[order[r], k] += found[r, k]


def born(threads, positions, cells, clusters, divisions, rows, atoms, necks, water, cut2, forces, energy, virial):
    """Add energies (S,) eV, forces (n, 3) eV/Å and Σ f ⊗ r (S, 3, 3) eV.

    divisions       from `divided`; rows: from `rows_of`
    atoms           by rank, and an empty one: charges times sqrt(k_e), R, ρ, s, shape, kinds of necks
    necks           depth (K, K) 1/Å, distance (K, K) Å, reach of necks beyond ρ_i + ρ_j or None without necks
    water           saturating, 1/ε_solute, 1/ε_solvent, κ or None, 1/r_c, 4π γ, probe; cut2: r_c² or None

    For a given number of threads the sums have a fixed order, so that results are the same to the bit.
    """
    order, moved, start, system, first, *slots = clusters.arrays()
    row, room = rows
    place = placed(positions, cells, order, moved, start, system, FAR)
    found = np.zeros_like(place)
    lists, systems = (start, system, first, *slots), len(cells)
    shared = (place, cells, lists, row, room, atoms, necks, water, cut2, found, energy, virial)
    cuts, cut = divisions
    threads = max(1, min(threads, first[-1] // WORK_PER_THREAD))
    if threads == 1:
        _systems(0, systems, cuts, cut, *shared)
    elif systems >= threads:
        _systems_apart(np.linspace(0, systems, threads + 1).astype(np.int64), cuts, cut, *shared)
    else:
        for s in range(systems):
            own = cuts[cut[s] : cut[s + 1]]
            if len(own) == 2:
                _systems(s, s + 1, cuts, cut, *shared)
            else:
                _system_divided(own, *shared)
    _back(order, found, forces)
