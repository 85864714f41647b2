"""The pairs of a batch as clusters of atoms near one another and the slots around them, compiled.

Atoms are sorted so that up to SIZE successive ones, a cluster, lie close together. The atoms of a cluster and all later
atoms that have pairs with them form one list of slots, each an atom or an image of one. The pair kernels loop over this
list for each atom of the cluster, with vector instructions, so that its length is a multiple of LANES. The list is an
eighth as long as one of pairs, and slightly too wide: slots beyond the cutoff contribute nothing (Páll and Hess,
Comput. Phys. Commun. 184, 2641, 2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labkit.base import System
from labkit.base.cell_search import check_pair_count
from labkit.base.lattice import Lattices, lattices_of
from labkit.compiling import njit
from labkit.forcefield.fast.kernels.all_pairs import everything, one_by_one
from labkit.forcefield.fast.kernels.growing import distinct, full, grown, grown_rows
from labkit.forcefield.fast.kernels.nearest import shorten

SIZE = 12  # the fastest for lists of near pairs
BYTES, PAIRS = 2, 8e9  # memory that a pair takes, and the most pairs of a system
BIN = 4.0  # Å, size of the bins for the neighbour search
MOST = 4096  # columns per direction, so that those of all systems can be numbered


@dataclass(frozen=True, eq=False)
class Clusters:
    """Each pair once, all images, without the excluded ones.

    order (n,)          atom of each rank
    moved (n, 3)        cells by which the atom of a rank is moved into the box
    start (C + 1,)      first rank of each cluster; system (C,)
    first (C + 1,)      its slots, of which the first are its own atoms; slot (P,) int32 rank, moved by
                        moves[move (P,)] cells (K, 3); padding has the rank n, no atom
    masked_first (n + 1,), masked   slots of the cluster that the atom of a rank has no pair with, besides itself and
                        earlier atoms of the cluster
    """

    order: np.ndarray
    moved: np.ndarray
    start: np.ndarray
    system: np.ndarray
    first: np.ndarray
    slot: np.ndarray
    moves: np.ndarray
    move: np.ndarray
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
    kinds: np.ndarray | None = None,
) -> Clusters:
    """Clusters whose slots hold all atoms within `reach` [Å]; None: all of a system, each pair at its nearest image.

    `excluded`: (first, partners) from `exclusion_table`; pairs at their nearest image. Without a reach, atoms of the
    same kind, of `kinds` (n,), are placed together.
    """
    offsets, pbc = np.asarray(system.offsets, np.int64), system.pbc.cpu().numpy()
    if reach is None:
        index = system.index.cpu().numpy()
        order = np.arange(len(index)) if kinds is None else np.lexsort((kinds, index))
        open_ = np.zeros((len(cells), 3), bool)
        unit = np.broadcast_to(np.eye(3), (len(cells), 3, 3))
        _check_size(offsets, np.ones((len(cells), 3)), open_, unit, np.inf, BYTES if not pbc.any() else 4 * BYTES)
        if not pbc.any():
            return Clusters(order, *everything(offsets, order, *excluded))
        return _all_nearest(order, index, offsets, positions, lattices_of(cells, pbc), excluded)
    boxes, origins = cells, np.zeros((len(cells), 3))
    if not pbc.all():
        boxes = cells.copy()
        for s, (a, b) in enumerate(zip(offsets, offsets[1:], strict=False)):
            boxes[s], origins[s] = _box(positions[a:b], cells[s], pbc[s])
    inverses = np.linalg.inv(boxes)
    heights = 1 / np.sqrt((inverses**2).sum(1))
    _check_size(offsets, heights, pbc, boxes, reach)
    bins = np.clip(heights / BIN, 1, 100).astype(np.int64)
    before = np.concatenate([[0], np.cumsum(bins.prod(1))])
    side = (SIZE * np.abs(np.linalg.det(boxes)) / np.maximum(np.diff(offsets), 1e-30)) ** (1 / 3)
    across = np.clip(np.round(heights[:, :2] / side[:, None]), 1, MOST).astype(np.int64)
    order, moved, start, cluster_system, place, fractions, bin_first, members = _sort_atoms(
        positions, offsets, boxes, origins, inverses, pbc, across, bins, before
    )
    found = _near(
        order, start, cluster_system, place, fractions, boxes, heights, pbc, float(reach),
        bins, before, bin_first, members, *excluded, lattices_of(cells, pbc).arrays(),
    )  # fmt: skip
    return Clusters(order, moved, start, cluster_system, *found)


def _check_size(
    offsets: np.ndarray, heights: np.ndarray, pbc: np.ndarray, boxes: np.ndarray, reach: float, size: float = BYTES
) -> None:
    check_pair_count(np.diff(offsets), heights, pbc, boxes, reach, size, PAIRS)


def _all_nearest(
    order: np.ndarray,
    index: np.ndarray,
    offsets: np.ndarray,
    positions: np.ndarray,
    lattices: Lattices,
    excluded: tuple[np.ndarray, np.ndarray],
) -> Clusters:
    """Clusters of one atom each, whose slots are the nearest images of all later atoms but the excluded ones."""
    n, cells = len(order), np.floor(np.einsum("nk,nkl->nl", positions, lattices.inverse[index]))
    moved = np.einsum("nk,nkl->nl", cells, lattices.numbers[index]).astype(np.int64)
    first, slot, shift = one_by_one(offsets, order, positions, moved, *excluded, lattices.arrays())
    nothing = np.zeros(n + 1, np.int64), np.empty(0, np.int32)
    return Clusters(order, moved[order], np.arange(n + 1), index, first, slot, *distinct(shift), *nothing)


def exclusion_table(pairs: np.ndarray, n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """(first (n + 1,), partners): the excluded partners of each atom, ascending."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    keys = np.unique(both[:, 0] * n_atoms + both[:, 1])
    first = np.searchsorted(keys, np.arange(n_atoms + 1) * n_atoms)
    return first.astype(np.int64), (keys % n_atoms).astype(np.int32)


def table_of(first: np.ndarray, partners: np.ndarray, atoms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The exclusion table of some atoms (m,), ascending, of complete systems, renumbered from 0."""
    lengths = np.diff(first)[atoms]
    begin = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.repeat(first[atoms] - begin[:-1], lengths) + np.arange(begin[-1])
    return begin, np.searchsorted(atoms, partners[rows]).astype(partners.dtype)


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
def _sort_atoms(positions, offsets, boxes, origins, inverses, pbc, across, bins, before):
    """Sort atoms into columns as wide as a cluster, and along these; divide them into clusters; fill the bins."""
    n = len(positions)
    part, cells, column, key = np.empty((n, 3)), np.zeros((n, 3), np.int64), np.empty(n, np.int64), np.empty(n)
    order, system, start = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n + 1, np.int64)
    count = 0
    for s in range(len(boxes)):
        one, two = offsets[s], offsets[s + 1]
        for i in range(one, two):
            for k in range(3):
                f = 0.0
                for x in range(3):
                    f += (positions[i, x] - origins[s, x]) * inverses[s, x, k]
                if pbc[s, k]:
                    cells[i, k] = math.floor(f)  # int32 could overflow in thin cells
                part[i, k] = f - cells[i, k]
            a = min(max(int(part[i, 0] * across[s, 0]), 0), across[s, 0] - 1)
            b = min(max(int(part[i, 1] * across[s, 1]), 0), across[s, 1] - 1)
            column[i] = a * across[s, 1] + b
            key[i] = column[i] + min(max(part[i, 2], 0.0), 0.999999999)
        own, within = np.argsort(key[one:two], kind="mergesort"), 0
        for r in range(one, two):
            order[r] = one + own[r - one]
            within = 0 if r == one or column[order[r]] != column[order[r - 1]] else within + 1
            if within % SIZE == 0:
                start[count], system[count] = r, s
                count += 1
    start[count] = n
    place, fractions, moved = np.empty((n, 3)), np.empty((n, 3)), np.empty((n, 3), np.int64)
    where, bin_first, members = np.empty(n, np.int64), np.zeros(before[-1] + 1, np.int64), np.empty(n, np.int64)
    for s in range(len(boxes)):
        h, size = boxes[s], bins[s]
        for r in range(offsets[s], offsets[s + 1]):
            i = order[r]
            u, v, w = cells[i]
            bin_ = before[s]
            for k in range(3):
                place[r, k] = positions[i, k] - (u * h[0, k] + v * h[1, k] + w * h[2, k])
                fractions[r, k], moved[r, k] = part[i, k], cells[i, k]
                at = min(max(int(part[i, k] * size[k]), 0), size[k] - 1)
                bin_ += at * (size[1] * size[2] if k == 0 else (size[2] if k == 1 else 1))
            where[r] = bin_
            bin_first[bin_ + 1] += 1
    for b in range(before[-1]):
        bin_first[b + 1] += bin_first[b]
    filled = bin_first[:-1].copy()
    for r in range(n):
        members[filled[where[r]]] = r
        filled[where[r]] += 1
    return order, moved, start[: count + 1].copy(), system[:count].copy(), place, fractions, bin_first, members


@njit(cache=True, nogil=True)
def _near(
    order, start, system, place, fractions, boxes, heights, pbc, reach,
    bins, before, bin_first, members, ex_first, ex_j, lattices,
):  # fmt: skip
    n, count = len(order), len(system)
    rank, partner = np.empty(n, np.int64), np.full(n, -1, np.int64)
    for r in range(n):
        rank[order[r]] = r
    first, masked_first = np.zeros(count + 1, np.int64), np.zeros(n + 1, np.int64)
    slot, shift, special = np.empty(16 * n + 64, np.int32), np.empty((16 * n + 64, 3), np.int32), np.empty(n, np.int64)
    masked = np.empty(len(ex_j) + 64, np.int32)
    t, v, begin, end = np.empty(3, np.int64), np.empty(3), np.empty(3, np.int64), np.empty(3, np.int64)
    nearest = np.empty(3)
    p = m = 0
    for d in range(count):
        one, two, s = start[d], start[d + 1], system[d]
        box, periodic, opened, specials = boxes[s], pbc[s], p, 0
        if p + two - one > len(slot):
            slot, shift = grown(slot, p + two - one), grown_rows(shift, p + two - one)
        for i in range(one, two):
            slot[p], shift[p, 0], shift[p, 1], shift[p, 2] = i, 0, 0, 0
            p += 1
        centre, outer = _around(one, two, place, fractions, heights[s], periodic, reach, bins[s], begin, end)
        for i in range(one, two):
            for e in range(ex_first[order[i]], ex_first[order[i] + 1]):
                partner[rank[ex_j[e]]] = d
        for x in range(begin[0], end[0] + 1):
            t[0] = x // bins[s, 0]
            for y in range(begin[1], end[1] + 1):
                t[1] = y // bins[s, 1]
                row = before[s] + ((x - t[0] * bins[s, 0]) * bins[s, 1] + y - t[1] * bins[s, 1]) * bins[s, 2]
                for image in range(begin[2] // bins[s, 2], end[2] // bins[s, 2] + 1):
                    t[2] = image  # bins along z are consecutive, and so are their members
                    low = row + max(begin[2] - image * bins[s, 2], 0)
                    high = row + min(end[2] - image * bins[s, 2], bins[s, 2] - 1)
                    home, forward = _direction(t)
                    vx, vy, vz = _moved(t, box)
                    for w in range(bin_first[low], bin_first[high + 1]):
                        j = members[w]
                        if j < one or (j < two and (home or (j == one and not forward))):
                            continue  # earlier, in the cluster, or the opposite image counts
                        px, py, pz = place[j, 0] + vx, place[j, 1] + vy, place[j, 2] + vz
                        square = (px - centre[0]) ** 2 + (py - centre[1]) ** 2 + (pz - centre[2]) ** 2
                        if square > outer or not _touches(px, py, pz, place, one, two, reach * reach):
                            continue
                        if p == len(slot):
                            slot, shift = grown(slot, p + 1), grown_rows(shift, p + 1)
                        if j < two or partner[j] == d:
                            if specials == len(special):
                                special = grown(special, specials + 1)
                            special[specials] = p
                            specials += 1
                        slot[p] = j
                        for k in range(3):
                            shift[p, k] = t[k]
                        p += 1
        last = opened + full(p - opened)
        if last > len(slot):
            slot, shift = grown(slot, last), grown_rows(shift, last)
        while p < last:
            slot[p], shift[p, 0], shift[p, 1], shift[p, 2] = n, 0, 0, 0
            p += 1
        first[d + 1] = p
        for i in range(one, two):
            if m + two - one + specials > len(masked):
                masked = grown(masked, m + two - one + specials)
            for u in range(i + 1 - two, specials):  # first the cluster's atoms, then slots that may be masked
                j = u + two if u < 0 else slot[special[u]]
                for k in range(3):
                    t[k] = 0 if u < 0 else shift[special[u], k]
                if u >= 0 and (j < i or (j == i and not _direction(t)[1])):
                    hidden = True
                else:
                    hidden = False
                    for e in range(ex_first[order[i]], ex_first[order[i] + 1]):
                        if ex_j[e] == order[j]:
                            for k in range(3):
                                v[k] = place[j, k] - place[i, k]
                            shorten(v, s, lattices, nearest)
                            hidden = t[0] == nearest[0] and t[1] == nearest[1] and t[2] == nearest[2]
                if hidden:
                    masked[m] = j - one if u < 0 else special[u] - opened
                    m += 1
            masked_first[i + 1] = m
    moves, move = distinct(shift[:p])
    return first, slot[:p].copy(), moves, move, masked_first, masked[:m].copy()


@njit(cache=True, nogil=True)
def _around(one, two, place, fractions, heights, periodic, reach, bins, begin, end):
    """Write the bins within reach of a cluster to `begin` and `end`; its centre, and (radius + reach)²."""
    centre, radius2 = np.zeros(3), 0.0
    for k in range(3):
        low, high = fractions[one, k], fractions[one, k]
        for i in range(one, two):
            low, high = min(low, fractions[i, k]), max(high, fractions[i, k])
            centre[k] += place[i, k] / (two - one)
        begin[k] = math.floor((low - reach / heights[k]) * bins[k])
        end[k] = math.floor((high + reach / heights[k]) * bins[k])
        if not periodic[k]:
            begin[k], end[k] = max(begin[k], 0), min(end[k], bins[k] - 1)
    for i in range(one, two):
        square = 0.0
        for k in range(3):
            square += (place[i, k] - centre[k]) ** 2
        radius2 = max(radius2, square)
    return centre, (math.sqrt(radius2) + reach) ** 2


@njit(cache=True, nogil=True)
def _moved(t, box):
    return (
        t[0] * box[0, 0] + t[1] * box[1, 0] + t[2] * box[2, 0],
        t[0] * box[0, 1] + t[1] * box[1, 1] + t[2] * box[2, 1],
        t[0] * box[0, 2] + t[1] * box[1, 2] + t[2] * box[2, 2],
    )


@njit(cache=True, nogil=True)
def _direction(t):
    """Whether a shift is zero, and whether it is the forward one of two opposite shifts."""
    home = t[0] == 0 and t[1] == 0 and t[2] == 0
    return home, t[0] > 0 or (t[0] == 0 and (t[1] > 0 or (t[1] == 0 and t[2] > 0)))


@njit(cache=True, nogil=True)
def _touches(x, y, z, place, one, two, reach2):
    for i in range(one, two):
        if (x - place[i, 0]) ** 2 + (y - place[i, 1]) ** 2 + (z - place[i, 2]) ** 2 < reach2:
            return True
    return False
