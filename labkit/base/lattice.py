"""Reduced lattices of cells: short lattice vectors, and those that decide which image of a vector is the nearest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, permutations

import numpy as np

from labkit.errors import LabkitError

PAIRS = tuple(permutations(range(3), 2))
SUPERPAIRS = tuple((i, j, *(k for k in range(4) if k not in (i, j))) for i, j in combinations(range(4), 2))
SUBSETS = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0]])


@dataclass(frozen=True, eq=False)
class Lattices:
    """Of S cells; zero rows for directions that are not periodic.

    rows     (S, 3, 3) Å short lattice vectors of the same lattice, numbers (S, 3, 3) @ cell
    inverse  (S, 3, 3) 1/Å, the pseudoinverse of rows
    faces    (S, 7, 3) Å, face_numbers (S, 7, 3) @ cell: v has no shorter image if |2 v·f| <= f·f for all of them
    inside   (S,) Å: vectors shorter than this have no shorter image
    """

    rows: np.ndarray
    numbers: np.ndarray
    inverse: np.ndarray
    faces: np.ndarray
    face_numbers: np.ndarray
    inside: np.ndarray

    def arrays(self) -> tuple[np.ndarray, ...]:
        return tuple(vars(self).values())


def lattices_of(cells: np.ndarray, pbc: np.ndarray) -> Lattices:
    """The reduced lattices of cells (S, 3, 3) Å with periodic directions (S, 3); kept for the latest cells.

    Pairs of vectors are shortened by one another until none becomes shorter; then Selling's reduction makes four
    vectors of sum zero of which no two have an acute angle. The planes that bisect these and the sums of two of them
    bound the Voronoi cell (Conway and Sloane, Proc. R. Soc. Lond. A 436, 55, 1992).

    Raises LabkitError, naming the frame, for a periodic cell that is not finite or has no volume.

    >>> skewed = np.array([[[4.0, 0.0, 0.0], [12.5, 5.0, 0.0], [0.0, 0.0, 6.0]]])
    >>> lattices_of(skewed, np.array([[True, True, True]])).rows[0].tolist()
    [[4.0, 0.0, 0.0], [0.5, 5.0, 0.0], [0.0, 0.0, 6.0]]
    """
    cells = np.ascontiguousarray(cells, dtype=np.float64)
    return _lattices(cells.tobytes(), np.ascontiguousarray(pbc, dtype=bool).tobytes())


def check_cells(cells: np.ndarray, pbc: np.ndarray) -> None:
    """Raise LabkitError, naming the frame, for a periodic cell (S, 3, 3) that is not finite or has no volume."""
    rows = np.where(pbc[:, :, None], cells, 0.0)
    lost = np.flatnonzero(~np.isfinite(rows).all((1, 2)))
    if len(lost):
        raise LabkitError(f"frame {lost[0]}: the cell {cells[lost[0]].tolist()} is not finite; set it")
    lengths, otherwise = np.linalg.norm(rows, axis=2), "set the cell, or pbc=False for an open system"
    zero = np.argwhere(pbc & (lengths < 1e-6))
    if len(zero):
        s, axis = zero[0]
        where = f"periodic along lattice vector {'abc'[axis]}, but that vector is zero"
        raise LabkitError(f"frame {s}: {where}; {otherwise}")
    sizes = np.linalg.svd(rows / np.where(pbc, lengths, 1.0)[:, :, None], compute_uv=False)
    least = np.take_along_axis(sizes, np.maximum(pbc.sum(1) - 1, 0)[:, None], 1)[:, 0]
    flat = np.flatnonzero(pbc.any(1) & (least < 1e-9))
    if len(flat):
        found = cells[flat[0]].tolist()
        raise LabkitError(f"frame {flat[0]}: the cell is periodic but has no volume: {found}; {otherwise}")


@lru_cache(maxsize=16)
def _lattices(cells: bytes, pbc: bytes) -> Lattices:
    boxes, periodic = np.frombuffer(cells).reshape(-1, 3, 3), np.frombuffer(pbc, bool).reshape(-1, 3)
    check_cells(boxes, periodic)
    rows = np.where(periodic[:, :, None], boxes, 0.0)
    numbers = np.where(periodic[:, :, None], np.eye(3), 0.0)
    _shorten(rows, numbers)
    rows = numbers @ np.where(periodic[:, :, None], boxes, 0.0)  # without the rounding of many steps
    four, four_numbers = (np.concatenate([part, -part.sum(1, keepdims=True)], 1) for part in (rows, numbers))
    _turn_obtuse(four, four_numbers)
    faces, face_numbers = SUBSETS @ four, SUBSETS @ four_numbers
    lengths = np.linalg.norm(faces, axis=2)
    inside = 0.5 * np.where(lengths > 1e-9 * lengths.max(1, keepdims=True), lengths, np.inf).min(1)
    return Lattices(rows, numbers, np.linalg.pinv(rows), faces, face_numbers, inside)


def _shorten(rows: np.ndarray, numbers: np.ndarray) -> None:
    """Subtract whole multiples of one vector from another, in place, while that makes any shorter."""
    changed = True
    while changed:
        changed = False
        for i, j in PAIRS:
            along, square = (rows[:, i] * rows[:, j]).sum(1), (rows[:, j] ** 2).sum(1)
            ratio = along / np.where(square > 0, square, 1.0)
            times = np.where(np.abs(ratio) > 0.5 + 1e-9, np.round(ratio), 0.0)[:, None]
            if times.any():
                changed = True
                rows[:, i] -= times * rows[:, j]
                numbers[:, i] -= times * numbers[:, j]


def _turn_obtuse(four: np.ndarray, numbers: np.ndarray) -> None:
    """Selling's reduction of vectors (S, 4, 3) of sum zero, in place: each step lessens the sum of their squares."""
    small = 1e-12 * (four**2).sum(2).max(1)
    changed = True
    while changed:
        changed = False
        for i, j, k, l in SUPERPAIRS:
            acute = (four[:, i] * four[:, j]).sum(1) > small
            if acute.any():
                changed = True
                for part in (four, numbers):
                    turned = part[acute, i]
                    part[acute, k] += turned
                    part[acute, l] += turned
                    part[acute, i] = -turned
