"""Frames in batches, and the species that a model knows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import ase
from ase.data import chemical_symbols

from labkit.errors import LabkitError

ATOMS = 480  # of a batch, unless a caller sets its own limit


def batches(sizes: Iterable[float], most: float = ATOMS) -> list[list[int]]:
    """Indices in their order, in batches whose sizes add up to at most `most`; a larger item is a batch of one.

    >>> batches([3, 3, 9, 1, 1], most=6)
    [[0, 1], [2], [3, 4]]
    """
    found: list[list[int]] = []
    total = 0.0
    for k, size in enumerate(sizes):
        if not found or total + size > most:
            found.append([])
            total = 0.0
        found[-1].append(k)
        total += size
    return found


def check_species(frames: Sequence[ase.Atoms], known: Collection[int], name: str = "") -> None:
    """Raise LabkitError, naming frame and atom, for a species that a model has not seen; `name` names the set."""
    for k, frame in enumerate(frames):
        for i, z in enumerate(frame.numbers):
            if z not in known:
                seen = ", ".join(chemical_symbols[s] for s in known)
                raise LabkitError(
                    f"{name}{', ' if name else ''}frame {k}, atom {i}: {chemical_symbols[z]} is unknown to this model, "
                    f"which has seen {seen}; train with frames that contain {chemical_symbols[z]}"
                )
