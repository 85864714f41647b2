"""Molecules made whole across the faces of a periodic cell, for the eye."""

from __future__ import annotations

from collections import deque

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list


def whole(atoms: Atoms) -> Atoms:
    """A copy in which each molecule's atoms stand together; a network that goes on through the cell stays as it is.

    >>> water = Atoms("OH", [[0.1, 0, 0], [9.1, 0, 0]], cell=[10, 10, 10], pbc=True)
    >>> round(float(whole(water).positions[1, 0]), 6)
    -0.9
    """
    moved = atoms.copy()
    if not atoms.pbc.any() or len(atoms) > 5000:
        return moved
    i, j, shift = neighbor_list("ijS", atoms, 1.2 * covalent_radii[atoms.numbers])
    bonds: list[list[tuple[int, np.ndarray]]] = [[] for _ in atoms]
    for a, b, s in zip(i, j, shift, strict=True):
        bonds[a].append((b, s))
    seen = np.zeros(len(atoms), bool)
    for start in np.argsort(-atoms.numbers, kind="stable"):  # the heaviest atom of a molecule keeps its place
        if seen[start]:
            continue
        cells, endless = _follow(int(start), bonds)
        seen[list(cells)] = True
        if not endless:
            for atom, cell in cells.items():
                moved.positions[atom] += cell @ atoms.cell.array
    return moved


def _follow(start: int, bonds: list[list[tuple[int, np.ndarray]]]) -> tuple[dict[int, np.ndarray], bool]:
    """Cells by atom of what is bonded to `start`, and whether it meets its own image."""
    cells, waiting, endless = {start: np.zeros(3, int)}, deque([start]), False
    while waiting:
        atom = waiting.popleft()
        for other, shift in bonds[atom]:
            cell = cells[atom] + shift
            if other not in cells:
                cells[other] = cell
                waiting.append(other)
            elif (cells[other] != cell).any():
                endless = True
    return cells, endless
