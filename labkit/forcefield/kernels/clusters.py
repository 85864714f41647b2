"""The pairs of a batch as clusters of atoms near one another and the slots around them, compiled.

Atoms are sorted so that up to SIZE successive ones, a cluster, lie together. All pairs of a cluster with the atoms that
come after it stand in one list of slots, an atom (or an image of one) each, which the kernel of pairs runs through for
each atom of the cluster with the processor's vectors. A list is an eighth as long as one of pairs, and a little too
wide: what lies beyond the cutoff counts nothing (Páll and Hess, Comput. Phys. Commun. 184, 2641, 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from labkit.base import System

SIZE = 8
BIN = 2.5  # Å, of the bins in which neighbours are looked for


@dataclass(frozen=True, eq=False)
class Clusters:
    """Each pair once, all images, without the excluded ones.

    order (n,)          atom of each rank
    moved (n, 3)        cells by which the atom of a rank is moved into the box
    start (C + 1,)      first rank of each cluster; system (C,)
    first (C + 1,)      its slots; slot (P,) int32 rank, shift (P, 3) int16 cells. Before them come its own atoms.
    masked_first (n + 1,), masked   slots (own atoms counted) that the atom of a rank has no pair with
    """

    order: np.ndarray
    moved: np.ndarray
    start: np.ndarray
    system: np.ndarray
    first: np.ndarray
    slot: np.ndarray
    shift: np.ndarray
    masked_first: np.ndarray
    masked: np.ndarray

    def arrays(self) -> tuple[np.ndarray, ...]:
        return tuple(vars(self).values())


def find_clusters(
    system: System,
    positions: np.ndarray,
    cells: np.ndarray,
    reach: float | None,
    excluded: tuple[np.ndarray, np.ndarray],
) -> Clusters:
    """Clusters whose slots hold all that is nearer than `reach` [Å], or all of a system without images for None.

    `excluded`: (first, partners) as `exclusion_table` makes it; pairs at their nearest image.
    """
    offsets = np.asarray(system.offsets, np.int64)
    if reach is None:
        return Clusters(*_everything(offsets, *excluded))
    pbc = system.pbc.cpu().numpy()
    boxes, origins = cells, np.zeros((len(cells), 3))
    if not pbc.all():
        boxes = cells.copy()
        for s, (a, b) in enumerate(zip(offsets, offsets[1:], strict=False)):
            boxes[s], origins[s] = _box(positions[a:b], cells[s], pbc[s])
    return Clusters(*_near(offsets, positions, boxes, np.linalg.inv(boxes), pbc, origins, reach, *excluded))


def exclusion_table(pairs: np.ndarray, n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """(first (n + 1,), partners): the excluded partners of each atom, ascending."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    keys = np.unique(both[:, 0] * n_atoms + both[:, 1])
    first = np.searchsorted(keys, np.arange(n_atoms + 1) * n_atoms)
    return first.astype(np.int64), (keys % n_atoms).astype(np.int32)


def _box(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A box that spans the atoms in open directions, and its origin."""
    if pbc.all():
        return cell, np.zeros(3)
    from ase.cell import Cell

    box = Cell(np.where(pbc[:, None], cell, 0.0)).complete().array.copy()
    for axis in np.flatnonzero(~pbc):
        along = positions @ np.linalg.inv(box)[:, axis]
        box[axis] *= max(np.ptp(along) * 1.001, 1e-3)
    return box, np.where(pbc, 0.0, (positions @ np.linalg.inv(box)).min(0)) @ box


@njit(cache=True, nogil=True)
def _everything(offsets, ex_first, ex_j):
    n, total, count = offsets[-1], 0, 0
    for s in range(len(offsets) - 1):
        for low in range(offsets[s], offsets[s + 1], SIZE):
            total += max(offsets[s + 1] - low - SIZE, 0)
            count += 1
    order, moved = np.arange(n), np.zeros((n, 3), np.int32)
    start, system, first = np.zeros(count + 1, np.int64), np.empty(count, np.int64), np.zeros(count + 1, np.int64)
    slot, shift = np.empty(total, np.int32), np.zeros((total, 3), np.int16)
    masked_first, masked = np.zeros(n + 1, np.int64), np.empty(len(ex_j), np.int32)
    c = p = m = 0
    for s in range(len(offsets) - 1):
        for low in range(offsets[s], offsets[s + 1], SIZE):
            high = min(low + SIZE, offsets[s + 1])
            start[c + 1], system[c] = high, s
            for j in range(high, offsets[s + 1]):
                slot[p] = j
                p += 1
            first[c + 1] = p
            c += 1
            for i in range(low, high):
                for e in range(ex_first[i], ex_first[i + 1]):
                    if ex_j[e] > i:
                        masked[m] = ex_j[e] - low
                        m += 1
                masked_first[i + 1] = m
    return order, moved, start, system, first, slot, shift, masked_first, masked[:m].copy()


@njit(cache=True, nogil=True)
def _near(offsets, positions, boxes, inverses, pbc, origins, reach, ex_first, ex_j):
    n = len(positions)
    order, moved, rank = np.empty(n, np.int64), np.zeros((n, 3), np.int32), np.empty(n, np.int64)
    place, inside = np.empty((n, 3)), np.empty((n, 3))  # by rank: in the box in Å, and as fractions of it
    start, system = np.zeros(n + 1, np.int64), np.empty(n, np.int64)
    first, masked_first = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    slot, shift = np.empty(16 * n + 64, np.int32), np.empty((16 * n + 64, 3), np.int16)
    masked, special = np.empty(len(ex_j) + 64, np.int32), np.empty(64, np.int64)
    partner = np.full(n, -1, np.int64)  # the last cluster with an atom that this rank has no pair with
    t, v, centre = np.empty(3, np.int64), np.empty(3), np.empty(3)
    begin, end, bins = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    c = p = m = 0
    for s in range(len(offsets) - 1):
        a, b, box, inverse, periodic = offsets[s], offsets[s + 1], boxes[s], inverses[s], pbc[s]
        heights = 1.0 / np.sqrt((inverse**2).sum(0))
        known = c
        c = _sort(a, b, positions, box, inverse, periodic, origins[s], heights, order, moved, place, inside, start, c)
        for r in range(a, b):
            rank[order[r]] = r
        for k in range(3):
            bins[k] = max(1, min(int(heights[k] / BIN), 100))
        bin_first, members = _binned(a, b, inside, bins)
        for d in range(known, c):
            one, two = start[d], start[d + 1]
            system[d], opened, specials = s, p, 0
            for k in range(3):
                begin[k] = int(np.floor((inside[one:two, k].min() - reach / heights[k]) * bins[k]))
                end[k] = int(np.floor((inside[one:two, k].max() + reach / heights[k]) * bins[k]))
                if not periodic[k]:
                    begin[k], end[k] = max(begin[k], 0), min(end[k], bins[k] - 1)
                centre[k] = place[one:two, k].mean()
            radius = 0.0
            for i in range(one, two):
                radius = max(radius, _distance2(place[i], centre))
                for e in range(ex_first[order[i]], ex_first[order[i] + 1]):
                    partner[rank[ex_j[e]]] = d
            outer = (np.sqrt(radius) + reach) ** 2
            for x in range(begin[0], end[0] + 1):
                for y in range(begin[1], end[1] + 1):
                    for z in range(begin[2], end[2] + 1):
                        t[0], t[1], t[2] = x // bins[0], y // bins[1], z // bins[2]
                        home, forward = _direction(t)
                        bin_ = (x - t[0] * bins[0]) * bins[1] + y - t[1] * bins[1]
                        bin_ = bin_ * bins[2] + z - t[2] * bins[2]
                        for w in range(bin_first[bin_], bin_first[bin_ + 1]):
                            j = members[w]
                            if j < one or (j < two and (home or (j == one and not forward))):
                                continue  # comes before, stands among the cluster's own, or has its opposite there
                            for k in range(3):
                                v[k] = place[j, k] + t[0] * box[0, k] + t[1] * box[1, k] + t[2] * box[2, k]
                            if _distance2(v, centre) > outer or not _touches(v, place, one, two, reach * reach):
                                continue
                            if p == len(slot):
                                slot, shift = np.append(slot, np.empty_like(slot)), _double(shift)
                            if j < two or partner[j] == d:
                                if specials == len(special):
                                    special = np.append(special, np.empty_like(special))
                                special[specials] = p
                                specials += 1
                            slot[p] = j
                            for k in range(3):
                                shift[p, k] = t[k]
                            p += 1
            first[d + 1] = p
            for i in range(one, two):
                if m + two - one + specials > len(masked):
                    masked = np.append(masked, np.empty_like(masked))
                for j in range(i + 1, two):
                    if _excluded(order[i], order[j], ex_first, ex_j) and _nearest(
                        place[j] - place[i], inverse, periodic
                    ):
                        masked[m] = j - one
                        m += 1
                for u in special[:specials]:
                    j = slot[u]
                    for k in range(3):
                        t[k] = shift[u, k]
                    for k in range(3):
                        v[k] = place[j, k] + t[0] * box[0, k] + t[1] * box[1, k] + t[2] * box[2, k] - place[i, k]
                    if (
                        j < i
                        or (j == i and not _direction(t)[1])
                        or (_excluded(order[i], order[j], ex_first, ex_j) and _nearest(v, inverse, periodic))
                    ):
                        masked[m] = two - one + u - opened
                        m += 1
                masked_first[i + 1] = m
    start, system, first = start[: c + 1].copy(), system[:c].copy(), first[: c + 1].copy()
    return order, moved, start, system, first, slot[:p].copy(), shift[:p].copy(), masked_first, masked[:m].copy()


@njit(cache=True, nogil=True)
def _sort(a, b, positions, box, inverse, periodic, origin, heights, order, moved, place, inside, start, c):
    """Sort the atoms a to b of a system by columns and along them; returns the number of clusters known then."""
    side = (SIZE * abs(np.linalg.det(box)) / max(b - a, 1)) ** (1 / 3)
    nx, ny = max(1, int(np.round(heights[0] / side))), max(1, int(np.round(heights[1] / side)))
    key, where, cells = np.empty(b - a), np.empty((b - a, 3)), np.zeros((b - a, 3), np.int32)
    for i in range(b - a):
        for k in range(3):
            f = 0.0
            for x in range(3):
                f += (positions[a + i, x] - origin[x]) * inverse[x, k]
            cells[i, k] = int(np.floor(f)) if periodic[k] else 0
            where[i, k] = f - cells[i, k]
        column = min(int(where[i, 0] * nx), nx - 1) * ny + min(int(where[i, 1] * ny), ny - 1)
        key[i] = column + 0.999 * where[i, 2]
    found = np.argsort(key, kind="mergesort")
    for r in range(b - a):
        i = found[r]
        order[a + r] = a + i
        for k in range(3):
            moved[a + r, k], inside[a + r, k] = cells[i, k], where[i, k]
            place[a + r, k] = positions[a + i, k] - (
                cells[i, 0] * box[0, k] + cells[i, 1] * box[1, k] + cells[i, 2] * box[2, k]
            )
        full = a + r - start[c] == SIZE if r else False
        if r and (full or int(key[i]) != int(key[found[r - 1]])):
            c += 1
            start[c] = a + r
    if b > a:
        c += 1
        start[c] = b
    return c


@njit(cache=True, nogil=True)
def _binned(a, b, inside, bins):
    """(first, members): ranks of each bin, ascending."""
    where = np.empty(b - a, np.int64)
    bin_first = np.zeros(bins[0] * bins[1] * bins[2] + 1, np.int64)
    for r in range(a, b):
        w = 0
        for k in range(3):
            w = w * bins[k] + min(max(int(inside[r, k] * bins[k]), 0), bins[k] - 1)
        where[r - a] = w
        bin_first[w + 1] += 1
    bin_first = np.cumsum(bin_first)
    members, filled = np.empty(b - a, np.int64), bin_first.copy()
    for r in range(a, b):
        members[filled[where[r - a]]] = r
        filled[where[r - a]] += 1
    return bin_first, members


@njit(cache=True, nogil=True)
def _direction(t):
    """Whether a shift is none, and whether it is the forward one of itself and its opposite."""
    home = t[0] == 0 and t[1] == 0 and t[2] == 0
    return home, t[0] > 0 or (t[0] == 0 and (t[1] > 0 or (t[1] == 0 and t[2] > 0)))


@njit(cache=True, nogil=True)
def _distance2(x, y):
    return (x[0] - y[0]) ** 2 + (x[1] - y[1]) ** 2 + (x[2] - y[2]) ** 2


@njit(cache=True, nogil=True)
def _touches(v, place, one, two, reach2):
    for i in range(one, two):
        if (v[0] - place[i, 0]) ** 2 + (v[1] - place[i, 1]) ** 2 + (v[2] - place[i, 2]) ** 2 < reach2:
            return True
    return False


@njit(cache=True, nogil=True)
def _excluded(i, j, ex_first, ex_j):
    for e in range(ex_first[i], ex_first[i + 1]):  # noqa: SIM110
        if ex_j[e] == j:
            return True
    return False


@njit(cache=True, nogil=True)
def _nearest(v, inverse, periodic):
    for k in range(3):
        if periodic[k] and np.round(v[0] * inverse[0, k] + v[1] * inverse[1, k] + v[2] * inverse[2, k]) != 0:
            return False
    return True


@njit(cache=True, nogil=True)
def _double(shift):
    more = np.empty((2 * len(shift), 3), shift.dtype)
    more[: len(shift)] = shift
    return more
