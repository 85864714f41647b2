"""The pairs of a batch by cell lists, compiled: each pair once, all images, without the excluded ones.

For large systems: 4 to 10 bytes a pair, found in time linear in the number of atoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from labkit.base import System


@dataclass(frozen=True, eq=False)
class PairList:
    """Partners of atom i: j[first[i]:first[i + 1]], moved by shift (cells) of the same rows; `i < j`, or images of i.

    first (n + 1,) int64; j (P,) int32; shift (P, 3) int16
    """

    first: np.ndarray
    j: np.ndarray
    shift: np.ndarray


def pair_list(
    system: System,
    positions: np.ndarray,
    cells: np.ndarray,
    cutoff: float | None,
    excluded: tuple[np.ndarray, np.ndarray],
) -> PairList:
    """Pairs nearer than `cutoff` [Å], or all of each system without images for None.

    `excluded`: (first, partners), sorted, as `exclusion_table` makes it.
    """
    parts, n = [], system.n_atoms
    pbc = system.pbc.cpu().numpy()
    for s, (start, end) in enumerate(zip(system.offsets, system.offsets[1:], strict=False)):
        here = positions[start:end]
        if cutoff is None:
            parts.append(_every(start, end, *excluded))
            continue
        box, periodic = _box(here, cells[s], pbc[s])
        # perpendicular heights of the box decide how many bins fit
        heights = 1.0 / np.linalg.norm(np.linalg.inv(box), axis=0)
        bins = np.clip((heights / cutoff).astype(np.int64), 1, max(1, int(round(len(here) ** (1 / 3)))))
        reach = np.ceil(cutoff * bins / heights - 1e-9).astype(np.int64)
        reach = np.where(periodic, reach, np.minimum(reach, bins - 1))  # nothing is beyond the last bin of an open side
        origin = np.where(periodic, 0.0, (here @ np.linalg.inv(box)).min(0)) @ box
        parts.append(_find(here - origin, box, np.linalg.inv(box), periodic, bins, reach, cutoff**2, start, *excluded))
    counts = np.concatenate([part[0] for part in parts])
    first = np.zeros(n + 1, np.int64)
    np.cumsum(counts, out=first[1:])
    if len(parts) == 1:
        return PairList(first, parts[0][1], parts[0][2])
    return PairList(first, np.concatenate([p[1] for p in parts]), np.concatenate([p[2] for p in parts]))


def exclusion_table(pairs: np.ndarray, n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """(first (n + 1,), partners) with the excluded j > i of each i, ascending."""
    low, high = np.minimum(pairs[:, 0], pairs[:, 1]), np.maximum(pairs[:, 0], pairs[:, 1])
    keys = np.unique(low * n_atoms + high)
    first = np.searchsorted(keys, np.arange(n_atoms + 1) * n_atoms)
    return first.astype(np.int64), (keys % n_atoms).astype(np.int32)


def _box(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cell, with vectors that span the atoms in open directions."""
    if pbc.all():
        return cell, pbc
    from ase.cell import Cell

    box = Cell(np.where(pbc[:, None], cell, 0.0)).complete().array.copy()
    for axis in np.flatnonzero(~pbc):
        along = positions @ np.linalg.inv(box)[:, axis]
        box[axis] *= max(np.ptp(along) * 1.001, 1e-3)
    return box, pbc


@njit(cache=True, nogil=True)
def _every(start: int, end: int, ex_first: np.ndarray, ex_j: np.ndarray):
    n = end - start
    counts = np.empty(n, np.int64)
    for a in range(n):
        counts[a] = n - 1 - a - (ex_first[start + a + 1] - ex_first[start + a])
    total = counts.sum()
    j, shift, p = np.empty(total, np.int32), np.zeros((total, 3), np.int16), 0
    for a in range(start, end):
        e = ex_first[a]
        for b in range(a + 1, end):
            if e < ex_first[a + 1] and ex_j[e] == b:
                e += 1
                continue
            j[p] = b
            p += 1
    return counts, j, shift


@njit(cache=True, nogil=True)
def _find(r, box, inverse, periodic, bins, reach, cutoff2, start, ex_first, ex_j):
    n = len(r)
    wrapped, moved, where = np.empty((n, 3)), np.empty((n, 3), np.int64), np.empty((n, 3), np.int64)
    n_bins = bins[0] * bins[1] * bins[2]
    bin_first = np.zeros(n_bins + 1, np.int64)
    for a in range(n):
        for k in range(3):
            s = r[a, 0] * inverse[0, k] + r[a, 1] * inverse[1, k] + r[a, 2] * inverse[2, k]
            moved[a, k] = int(np.floor(s)) if periodic[k] else 0
            where[a, k] = min(max(int((s - moved[a, k]) * bins[k]), 0), bins[k] - 1)
        for k in range(3):
            wrapped[a, k] = r[a, k] - (moved[a, 0] * box[0, k] + moved[a, 1] * box[1, k] + moved[a, 2] * box[2, k])
        bin_first[1 + (where[a, 0] * bins[1] + where[a, 1]) * bins[2] + where[a, 2]] += 1
    for b in range(n_bins):
        bin_first[b + 1] += bin_first[b]
    members, filled = np.empty(n, np.int64), bin_first[:-1].copy()
    for a in range(n):
        b = (where[a, 0] * bins[1] + where[a, 1]) * bins[2] + where[a, 2]
        members[filled[b]] = a
        filled[b] += 1

    counts = np.zeros(n, np.int64)
    j, shift = np.empty(64 * n + 64, np.int32), np.empty((64 * n + 64, 3), np.int16)
    p, t, q, v = 0, np.empty(3), np.empty(3, np.int64), np.empty(3)
    for a in range(n):
        begin = p
        for dx in range(-reach[0], reach[0] + 1):
            for dy in range(-reach[1], reach[1] + 1):
                for dz in range(-reach[2], reach[2] + 1):
                    q[0], q[1], q[2] = where[a, 0] + dx, where[a, 1] + dy, where[a, 2] + dz
                    inside = True
                    for k in range(3):
                        over = q[k] // bins[k]
                        if over != 0 and not periodic[k]:
                            inside = False
                            break
                        t[k] = over
                        q[k] -= over * bins[k]
                    if not inside:
                        continue
                    for k in range(3):
                        v[k] = t[0] * box[0, k] + t[1] * box[1, k] + t[2] * box[2, k] - wrapped[a, k]
                    bin_ = (q[0] * bins[1] + q[1]) * bins[2] + q[2]
                    for m in range(bin_first[bin_], bin_first[bin_ + 1]):
                        c = members[m]
                        if c < a:
                            continue
                        x, y, z = wrapped[c, 0] + v[0], wrapped[c, 1] + v[1], wrapped[c, 2] + v[2]
                        if x * x + y * y + z * z >= cutoff2:
                            continue
                        if c == a and not (t[0] > 0 or (t[0] == 0 and (t[1] > 0 or (t[1] == 0 and t[2] > 0)))):
                            continue
                        if _is_excluded(start + a, start + c, ex_first, ex_j) and _is_nearest(
                            x, y, z, inverse, periodic
                        ):
                            continue
                        if p == len(j):
                            more_j, more_s = np.empty(2 * p, np.int32), np.empty((2 * p, 3), np.int16)
                            more_j[:p], more_s[:p] = j, shift
                            j, shift = more_j, more_s
                        j[p] = start + c
                        for k in range(3):
                            shift[p, k] = int(t[k]) - moved[c, k] + moved[a, k]
                        p += 1
        counts[a] = p - begin
    return counts, j[:p].copy(), shift[:p].copy()


@njit(cache=True, nogil=True, inline="always")
def _is_excluded(i, j, ex_first, ex_j):
    for e in range(ex_first[i], ex_first[i + 1]):  # noqa: SIM110 - numba compiles no any() of a generator
        if ex_j[e] == j:
            return True
    return False


@njit(cache=True, nogil=True)
def _is_nearest(x, y, z, inverse, periodic):
    for k in range(3):
        s = x * inverse[0, k] + y * inverse[1, k] + z * inverse[2, k]
        if periodic[k] and np.round(s) != 0:
            return False
    return True
