"""Arrays that hold many structures, checked: shapes, elements, finite positions, cells of periodic frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase.data import atomic_masses

from labkit.errors import LabkitError

CHUNK = 1_000_000  # rows checked at a time


def flattened(positions: np.ndarray, offsets: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) and offsets (F + 1,), also from positions (F, N, 3)."""
    positions = positions if isinstance(positions, np.ndarray) else np.asarray(positions, dtype=float)
    if positions.dtype.kind != "f" or positions.ndim not in (2, 3) or positions.shape[-1] != 3:
        raise LabkitError(
            f"{where}: positions are {positions.dtype} of the shape {positions.shape}; expected floats (F, N, 3), or "
            "(n, 3) with offsets"
        )
    if positions.ndim == 3:
        if offsets is not None:
            raise LabkitError(f"{where}: offsets are for positions (n, 3); these are {positions.shape}")
        frames, size = positions.shape[:2]
        return positions.reshape(-1, 3), size * np.arange(frames + 1)
    offsets = np.zeros(0, int) if offsets is None else np.asarray(offsets)
    ordered = (
        offsets.ndim == 1
        and len(offsets) > 0
        and offsets.dtype.kind in "iu"
        and (np.diff(offsets.astype(int)) >= 0).all()
    )
    if not ordered or offsets[0] != 0 or offsets[-1] != len(positions):
        raise LabkitError(
            f"{where}: positions are {positions.shape}; expected offsets (F + 1,), ascending whole numbers from 0 to "
            f"{len(positions)}, the first atom of each frame"
        )
    return positions, offsets.astype(np.int64)


def check_numbers(numbers: np.ndarray, offsets: np.ndarray, where: str, beads: bool = False) -> None:
    """Raise LabkitError if these are not atomic numbers; `beads`, which have types and masses, may have 0."""
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise LabkitError(
            f"{where}: numbers are {numbers.dtype} of the shape {numbers.shape}; expected whole numbers (n,)"
        )
    bad = np.flatnonzero((numbers < (0 if beads else 1)) | (numbers >= len(atomic_masses)))
    if len(bad):
        found = numbers[bad[0]]
        need = "; beads need arrays types and masses" if found == 0 else ""
        raise LabkitError(
            f"{where}: {place(bad[0], offsets)}: atomic number {found} is not an element; expected 1 to 118{need}"
        )


def check_masses(masses: np.ndarray, offsets: np.ndarray, where: str) -> None:
    """Raise LabkitError for the first mass that is not positive; infinite ones hold an atom."""
    wrong = np.flatnonzero(~(masses > 0))
    if len(wrong):
        raise LabkitError(
            f"{where}: {place(wrong[0], offsets)}: mass is {masses[wrong[0]]:g} u; expected a positive number"
        )


def check_positions(positions: np.ndarray, offsets: np.ndarray, where: str) -> None:
    """Raise LabkitError for the first position that is not finite."""
    for start in range(0, len(positions), CHUNK):
        bad = ~np.isfinite(positions[start : start + CHUNK]).all(1)
        if bad.any():
            k = start + int(np.argmax(bad))
            raise LabkitError(f"{where}: {place(k, offsets)}: position {positions[k]} is not finite; fix or drop it")


def lattices(cell: Any, pbc: Any, frames: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Cells (F, 3, 3) or (3, 3) and pbc (F, 3) or (3,), also from edges (3,) and one bool.

    Raises LabkitError for other shapes, and for the first periodic frame without a volume.
    """
    cell = np.zeros((3, 3)) if cell is None else np.asarray(cell, dtype=float)
    cell = np.diag(cell) if cell.shape == (3,) else cell
    pbc = np.asarray(pbc, dtype=bool)
    pbc = np.repeat(pbc, 3) if pbc.ndim == 0 else pbc
    for name, array, shape in (("cell", cell, (3, 3)), ("pbc", pbc, (3,))):
        if array.shape not in (shape, (frames, *shape)):
            raise LabkitError(f"{where}: {name} has the shape {array.shape}; expected {shape} or {(frames, *shape)}")
    cells, periodic = cell.reshape(-1, 3, 3), pbc.reshape(-1, 3)
    if not np.isfinite(cells).all():
        k = int(np.argwhere(~np.isfinite(cells))[0][0])
        raise LabkitError(f"{where}: frame {k}: the cell {cells[k].tolist()} is not finite; set it")
    lost = np.linalg.matrix_rank(np.where(periodic[:, :, None], cells, 0.0)) < periodic.sum(1)
    if lost.any():
        k = int(np.argmax(lost))
        raise LabkitError(
            f"{where}: frame {k}: periodic (pbc {periodic[k % len(periodic)].tolist()}) with the cell "
            f"{cells[k % len(cells)].tolist()}, which has no volume; give its lattice vectors, or pbc=False"
        )
    return cell, pbc


def rows_of_atoms(given: Mapping[str, Any], offsets: np.ndarray, where: str) -> dict[str, np.ndarray]:
    """Arrays with a row for each of all atoms, or for each of the N atoms that all frames share."""
    if "positions" in given:
        raise LabkitError(f"{where}: 'positions' is reserved for the positions; choose another name for the array")
    n, sizes, found = int(offsets[-1]), np.diff(offsets), {}
    alike = int(sizes[0]) if len(sizes) and (sizes == sizes[0]).all() else n
    for name, values in given.items():
        found[name] = array = values if isinstance(values, np.ndarray) else np.asarray(values)
        if array.ndim < 1 or len(array) not in (n, alike):
            each = "" if alike == n else f" or the {alike} of each frame"
            raise LabkitError(f"{where}: {name} has the shape {array.shape}; expected rows for {n} atoms{each}")
        if array.dtype.kind not in "biufU":
            raise LabkitError(f"{where}: {name} holds {array.dtype}; expected numbers or text")
    return found


def place(k: int, offsets: np.ndarray) -> str:
    """Which frame and which of its atoms the atom k of all is."""
    frame = int(np.searchsorted(offsets, k, side="right") - 1)
    return f"frame {frame}, atom {k - offsets[frame]}"
