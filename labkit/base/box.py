"""What files write as a box where a system has none."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.errors import LabkitError

NONE = 1e-6  # Å: a length that is none
UNIT = 1e-3  # Å: how near to 1 the lengths of PDB's placeholder are


def box_or_none(vectors: Any, where: str = "box") -> np.ndarray | None:
    """The lattice vectors (3, 3) in Å, or None for an open system: None, zeros, and the cube of 1 Å.

    The cube is what the PDB format prescribes for structures that are no crystals. Raises LabkitError, naming `where`,
    for vectors that are not finite, and for those that enclose no volume but are not zero.

    >>> box_or_none([[0, 0, 0]] * 3), box_or_none([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    (None, None)
    >>> box_or_none([[20, 0, 0], [0, 20, 0], [0, 0, 30]]).diagonal().tolist()
    [20.0, 20.0, 30.0]
    """
    if vectors is None:
        return None
    rows = np.asarray(vectors, dtype=np.float64).reshape(3, 3)
    if not np.isfinite(rows).all():
        raise LabkitError(f"{where}: {rows.tolist()} Å is not finite; expected three vectors, or zeros for no box")
    lengths = np.linalg.norm(rows, axis=1)
    if lengths.max() < NONE or np.abs(rows - np.eye(3)).max() < UNIT:
        return None
    if abs(np.linalg.det(rows)) < 1e-6 * lengths.max() ** 3 or lengths.min() < NONE:
        raise LabkitError(
            f"{where}: vectors of {', '.join(f'{length:g}' for length in lengths)} Å that enclose no volume; expected "
            "three independent ones, or zeros for an open system"
        )
    return rows


def box_of_lengths(lengths: Any, angles: Any, where: str = "box") -> np.ndarray | None:
    """As `box_or_none`, of three lengths in Å and the angles between them in degrees, a along x and b in the xy plane.

    >>> box_of_lengths([0, 0, 0], [90, 90, 90]), box_of_lengths([0, 0, 0], [0, 0, 0])
    (None, None)
    """
    from ase.geometry import cellpar_to_cell

    lengths, angles = (np.asarray(values, dtype=np.float64) for values in (lengths, angles))
    if np.isfinite(lengths).all() and np.abs(lengths).max() < NONE:
        return None  # whatever the angles are
    cosines = np.cos(np.radians(angles))
    squared = 1 - np.sum(cosines**2) + 2 * np.prod(cosines)
    if not (np.isfinite(squared) and squared > 1e-9 and (lengths > NONE).all()):
        raise LabkitError(
            f"{where}: lengths of {', '.join(f'{x:g}' for x in lengths)} Å at angles of "
            f"{', '.join(f'{x:g}' for x in angles)} degrees are no box; expected three positive lengths, or zeros for "
            "an open system"
        )
    return box_or_none(cellpar_to_cell([*lengths, *angles]), where)


def box_given(cell: Any, where: str = "cell") -> np.ndarray | None:
    """As `box_or_none`, of vectors (3, 3), of lengths and angles (6,), or of lengths (3,); Å and degrees.

    >>> box_given([20, 20, 30]).diagonal().tolist(), box_given([0, 0, 0, 90, 90, 90])
    ([20.0, 20.0, 30.0], None)
    """
    try:
        values = np.asarray(cell, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape == (3, 3):
        return box_or_none(values, where)
    if values.shape in ((3,), (6,)):
        return box_of_lengths(values[:3], values[3:] if len(values) == 6 else [90.0] * 3, where)
    raise LabkitError(
        f"{where} is {cell!r}; expected vectors (3, 3), lengths and angles (6,) in Å and degrees, or lengths (3,)"
    )
