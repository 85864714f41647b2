"""Molecules unwrapped across the faces of a periodic cell."""

from __future__ import annotations

from collections import deque

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from labkit.base.bonds import BONDED


def unwrap_molecules(atoms: Atoms) -> Atoms:
    """A copy in which no molecule is split by a face of the cell; a bonded network that spans the cell is unchanged.

    Atoms are bonded that are nearer than 1.2 times the sum of their covalent radii; frames of more than 5000 atoms
    are returned as they are.

    >>> water = Atoms("OH", [[0.1, 0, 0], [9.1, 0, 0]], cell=[10, 10, 10], pbc=True)
    >>> round(float(unwrap_molecules(water).positions[1, 0]), 6)
    -0.9
    """
    moved = atoms.copy()
    if not atoms.pbc.any() or len(atoms) > 5000:
        return moved
    i, j, shift = neighbor_list("ijS", atoms, BONDED * covalent_radii[atoms.numbers])
    bonds: list[list[tuple[int, np.ndarray]]] = [[] for _ in atoms]
    for a, b, s in zip(i, j, shift, strict=True):
        bonds[a].append((b, s))
    seen = np.zeros(len(atoms), bool)
    for start in np.argsort(-atoms.numbers, kind="stable"):  # the heaviest atom of a molecule stays where it is
        if seen[start]:
            continue
        cells, infinite = _molecule(int(start), bonds)
        seen[list(cells)] = True
        if not infinite:
            for atom, cell in cells.items():
                moved.positions[atom] += cell @ atoms.cell.array
    return moved


def _molecule(start: int, bonds: list[list[tuple[int, np.ndarray]]]) -> tuple[dict[int, np.ndarray], bool]:
    """Cell shifts by atom of the molecule of `start`, and whether it is bonded to its own image."""
    cells, waiting, infinite = {start: np.zeros(3, int)}, deque([start]), False
    while waiting:
        atom = waiting.popleft()
        for other, shift in bonds[atom]:
            cell = cells[atom] + shift
            if other not in cells:
                cells[other] = cell
                waiting.append(other)
            elif (cells[other] != cell).any():
                infinite = True
    return cells, infinite
