"""Pairs of one system nearer than a cutoff: with cells (vesin), or a tree where cells would be too many."""

from __future__ import annotations

import os
from functools import cache

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor
from vesin_torch import NeighborList

from labkit.errors import LabkitError

FAR = 1e3  # cells by which an atom may lie outside of its own before it is moved into it for the search
CELLS = 1e5  # the most that vesin makes; it scales larger numbers down, and divides by zero where one becomes zero
ALL = torch.ones(3, dtype=torch.bool)  # directions
PAIR = 100  # bytes of a pair in a list, with those of the search
FEW = 1e6  # pairs that any computer can hold


def pairs_of(positions: Tensor, cell: Tensor, pbc: Tensor, cutoff: float) -> tuple[Tensor, ...]:
    """i, j (P,), shift (P, 3) and distance (P,) Å of all ordered pairs of a system nearer than `cutoff`, sorted by i.

    positions (n, 3), cell (3, 3) with a volume, pbc (3,), on the CPU and in float64. Atoms may be anywhere, and the
    cell may be smaller than the cutoff. Raises LabkitError where the pairs would not fit in this computer's memory.

    >>> line = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1e7, 0, 0]], dtype=torch.float64)
    >>> pairs_of(line, torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=bool), 2.0)[:2]
    (tensor([0, 1]), tensor([1, 0]))
    """
    r, box, periodic = positions.numpy(), cell.numpy(), pbc.numpy()
    if not abs(np.linalg.det(box)) > 0:
        raise LabkitError(f"the cell {box.tolist()} Å has no volume; give three vectors that do not lie in one plane")
    inverse = np.linalg.inv(box)
    fractions, heights = r @ inverse, 1 / np.linalg.norm(inverse, axis=0)
    lowest = fractions.min(0) if len(r) else np.zeros(3)
    spans = np.where(periodic, 1.0, fractions.max(0) - lowest) * heights if len(r) else heights
    if len(r) ** 2 * float(np.maximum(2 * cutoff / heights, 1.0).prod()) > FEW:  # no fewer than there can be
        check_pair_count(np.array([len(r)]), spans[None], periodic[None], box[None], cutoff)
    # vesin is given a cell with empty space in open directions, so that the number of its own cells is known
    wide = np.where(periodic, heights, spans + 1.01 * cutoff)
    moved = np.where(periodic, np.floor(fractions), 0.0)
    far = len(r) > 0 and float(np.abs(moved).max()) > FAR
    here = r - moved @ box if far else r
    if _too_many_cells(wide, cutoff):
        i, j, shift, d = _by_tree(here, box, inverse, periodic, cutoff)
    else:
        here = here - np.where(periodic, 0.0, lowest) @ box
        search = NeighborList(cutoff=float(cutoff), full_list=True, sorted=True)  # for this thread alone
        points, wider = np.ascontiguousarray(here), box * (wide / heights)[:, None]
        i, j, shift, d = search.compute(torch.from_numpy(points), torch.from_numpy(wider), ALL, "ijSd")
    shift = shift.to(torch.int64)
    if far:
        cells = torch.from_numpy(moved.astype(np.int64))
        shift = shift + cells[i] - cells[j]
    return i, j, shift, d


def check_pair_count(
    counts: np.ndarray,
    spans: np.ndarray,
    pbc: np.ndarray,
    cells: np.ndarray,
    cutoff: float,
    size: float = PAIR,
    most: float = np.inf,
) -> None:
    """Raise LabkitError if the pairs of any of S systems do not fit in this computer's memory.

    counts (S,) atoms, pbc (S, 3), cells (S, 3, 3), cutoff in Å; size of a pair in bytes, and `most` pairs in any case
    spans (S, 3)  Å across a system between the faces of its cell, or where open between its outermost atoms
    """
    volume = np.abs(np.linalg.det(cells))
    wide = 2 * cutoff / np.maximum(spans, 1e-9)  # a box around the sphere, of which it fills π/6
    box = np.where(pbc, wide, np.minimum(wide, 1.0)).prod(1)
    with np.errstate(divide="ignore"):
        box = np.where(pbc.all(1), (2 * cutoff) ** 3 / volume, box)  # cells of any shape
    pairs = counts.astype(float) ** 2 * box * (np.pi / 6)
    frame = int(pairs.argmax())
    if pairs[frame] > min(memory() / size, most):
        raise LabkitError(
            f"frame {frame}: its {int(counts[frame])} atoms have some {float(pairs[frame]):.0e} pairs within "
            f"{cutoff:g} Å, more than this computer can hold; use a smaller cutoff"
        )


@cache
def memory() -> float:
    """Bytes of this computer."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # Windows
        return 64e9


def _too_many_cells(spans: np.ndarray, cutoff: float) -> bool:
    """Whether vesin might scale a number of cells down to zero, and end the process by a division by it."""
    cells = np.maximum(spans / cutoff, 1.0)
    total = float(cells.prod())
    return total > 0.5 * CELLS and float(cells.min()) * (CELLS / total) ** (1 / 3) < 4


def _by_tree(
    positions: np.ndarray, cell: np.ndarray, inverse: np.ndarray, pbc: np.ndarray, cutoff: float
) -> tuple[Tensor, ...]:
    """The same with a k-d tree of all atoms and of their images that lie within the cutoff of the cell."""
    moved = np.where(pbc, np.floor(positions @ inverse), 0.0)
    home = positions - moved @ cell
    margin = cutoff * np.linalg.norm(inverse, axis=0)  # of fractional coordinates
    most = np.where(pbc, np.floor(margin) + 1, 0).astype(int)
    shifts = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in most), indexing="ij"), -1).reshape(-1, 3)
    atoms, images = [], []
    for shift in shifts:
        fractions = home @ inverse + shift
        near = ~pbc | ((fractions > -margin) & (fractions < 1 + margin))
        found = np.flatnonzero(near.all(1))
        atoms.append(found)
        images.append(np.broadcast_to(shift, (len(found), 3)))
    atom, image = np.concatenate(atoms), np.concatenate(images)
    tree = cKDTree(home[atom] + image @ cell)
    found = cKDTree(home).sparse_distance_matrix(tree, cutoff, output_type="ndarray")
    i, j, shift, d = found["i"], atom[found["j"]], image[found["j"]], found["v"]
    keep = (d < cutoff) & ((i != j) | shift.any(1))
    i, j, shift, d = i[keep], j[keep], shift[keep], d[keep]
    order = np.lexsort((*shift.T[::-1], j, i))
    shift = shift + moved[i].astype(int) - moved[j].astype(int)
    return tuple(torch.as_tensor(part[order]) for part in (i.astype(np.int64), j.astype(np.int64), shift, d))
