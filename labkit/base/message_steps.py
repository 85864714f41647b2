"""message_steps(): how many messages information needs from one atom to another."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from labkit.base.search import find_neighbours
from labkit.base.state import State
from labkit.errors import LabkitError


def message_steps(atoms: Atoms, centre: int, cutoff: float) -> np.ndarray:
    """The number (n,) of messages, each over at most `cutoff` Å, that information needs from an atom to atom `centre`.

    0 is the atom itself, 1 its neighbours, 2 theirs, and so on; -1 means never. Periodic images count as the same atom:
    the smallest number is returned. Raises LabkitError for an atom that does not exist.

    >>> from ase import Atoms
    >>> message_steps(Atoms("H4", [[0, 0, z] for z in (0, 1, 2, 9)]), 0, 1.5).tolist()
    [0, 1, 2, -1]
    """
    if not 0 <= centre < len(atoms):
        raise LabkitError(f"atom {centre}: expected 0 to {len(atoms) - 1}")
    state = State.from_atoms(atoms)
    near = find_neighbours(state.system, state.positions, state.cell, cutoff)
    i, j = near.i.numpy(), near.j.numpy()
    steps = np.full(len(atoms), -1)
    front, reached = np.array([centre]), 0
    while len(front):
        steps[front], reached = reached, reached + 1
        heard = np.concatenate([j[np.isin(i, front)], i[np.isin(j, front)]])
        front = np.unique(heard[steps[heard] < 0])
    return steps
