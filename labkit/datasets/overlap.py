"""Frames that two sets share: a validation set that was trained on validates nothing."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from labkit.datasets.dataset import Dataset

SAME = 1e-5  # Å


def overlap(first: Dataset, second: Dataset) -> list[tuple[int, int]]:
    """Pairs (frame of `first`, frame of `second`) of equal atoms, positions and cells, to 1e-5 Å.

    >>> from labkit.datasets import ice
    >>> overlap(ice("train", n=50)[10:12], ice("train", n=50)[8:12])
    [(0, 2), (1, 3)]
    """
    known = {_mark(atoms): k for k, atoms in reversed(list(enumerate(second.atoms)))}
    return [(k, known[mark]) for k, atoms in enumerate(first.atoms) if (mark := _mark(atoms)) in known]


def repeated(frames: Dataset) -> list[tuple[int, int]]:
    """Pairs (first, later) of frames of equal atoms, positions and cells, to 1e-5 Å.

    >>> from labkit.datasets import ice
    >>> repeated(ice("train", n=50)[[3, 4, 3]])
    [(0, 2)]
    """
    seen: dict[bytes, int] = {}
    flat = (frames.atoms.flat(np.array([k])) for k in range(len(frames)))  # makes no Atoms of arrays
    firsts = [(seen.setdefault((np.round(x / SAME) + 0.0).tobytes(), k), k) for k, x in enumerate(flat)]
    return [(first, k) for first, k in firsts if first != k]


def overlap_note(train: Dataset, valid: Dataset) -> str:
    """A sentence about validation frames that are training frames, or ""."""
    pairs = overlap(valid, train)
    if not pairs:
        return ""
    first = f"the first is validation frame {pairs[0][0]}, training frame {pairs[0][1]}"
    return (
        f"{len(pairs)} of {len(valid)} validation frames are also training frames ({first}): the validation error "
        "is then too small; take frames of other trajectories"
    )


def _mark(atoms: Atoms) -> bytes:
    rounded = [np.round(np.asarray(x, dtype=float) / SAME) + 0.0 for x in (atoms.positions, atoms.cell.array)]
    return b"".join(x.tobytes() for x in (atoms.numbers.astype("<i8"), atoms.pbc, *rounded))
