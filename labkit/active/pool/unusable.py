"""Frames of a pool that are never labelled: broken ones, exploded ones, copies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from labkit.active.pool.candidates import candidates
from labkit.datasets import Dataset
from labkit.datasets.pairs import find_pairs
from labkit.errors import LabkitError
from labkit.oracles import structure_hash

#: of the sum of two covalent radii; atoms that are closer have collided, and the oracle's label would teach nothing
CLOSEST = 0.5


def unusable(frames: Sequence[Atoms], closest: float = CLOSEST) -> dict[int, str]:
    """The numbers of frames that must not be labelled, each with the reason.

    Refused are positions that are not finite, atoms closer than `closest` times the sum of their covalent radii, and
    copies of an earlier frame (equal to 1e-10 Å, see structure_hash). Frames whose atoms have flown apart may be meant,
    as in a dissociation; the upper bound of `Within` refuses them by their uncertainty.

    >>> from ase.build import molecule
    >>> water, broken = molecule("H2O"), molecule("H2O")
    >>> broken.positions[1] = broken.positions[0] + 0.2
    >>> unusable([water, broken, water.copy()])[2]
    'refused: a copy of frame 0'
    """
    found: dict[int, str] = {}
    first: dict[str, int] = {}
    for k, atoms in enumerate(frames):
        try:
            original = first.setdefault(structure_hash(atoms), k)
        except LabkitError as error:
            found[k] = f"refused: it has exploded, {error}"
            continue
        if original != k:
            found[k] = f"refused: a copy of frame {original}"
        elif reason := _collided(atoms, closest):
            found[k] = reason
    return found


def _collided(atoms: Atoms, closest: float) -> str:
    radii = covalent_radii[atoms.numbers]
    pairs = find_pairs([atoms], closest * 2 * float(radii.max(initial=0.0)))
    if not len(pairs.i):
        return ""
    relative = pairs.distance / (radii[pairs.i] + radii[pairs.j])
    k = int(np.argmin(relative))
    if relative[k] >= closest:
        return ""
    i, j, symbols = int(pairs.i[k]), int(pairs.j[k]), atoms.symbols
    return (
        f"refused: it has exploded, atoms {i} ({symbols[i]}) and {j} ({symbols[j]}) are {pairs.distance[k]:.3f} Å apart"
    )


def given_frames(pool: Dataset, known: Dataset | None) -> dict[int, str]:
    """Frames of the pool that are among those known."""
    if known is None:
        return {}
    found = unusable([*candidates(known), *candidates(pool)])
    n = len(known)
    return {
        k - n: "refused: its label was given" for k, reason in found.items()
        if k >= n and reason.startswith("refused: a copy of frame ") and int(reason.rsplit(" ", 1)[1]) < n
    }  # fmt: skip
