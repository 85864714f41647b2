"""A bond stretched in steps: a scan that shows how a fit behaves between and beyond its data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from labkit.errors import LabkitError


def stretch(atoms: Atoms, bond: tuple[int, int], lengths: Sequence[float]) -> list[Atoms]:
    """Copies of `atoms` in which the second atom of `bond` is moved along it, to these lengths [Å]; the others stay.

    The bond is to the nearest image. Raises LabkitError if the atoms do not exist, are the same, or coincide.

    >>> from ase.build import molecule
    >>> [round(float(a.get_distance(0, 1)), 2) for a in stretch(molecule("H2O"), (0, 1), [0.9, 1.1])]
    [0.9, 1.1]
    """
    first, second = bond
    if first == second or not all(0 <= k < len(atoms) for k in bond):
        raise LabkitError(f"bond {bond}: expected two different atoms from 0 to {len(atoms) - 1}")
    along = atoms.get_distance(first, second, mic=bool(atoms.pbc.any()), vector=True)
    length = np.linalg.norm(along)
    if length < 1e-6:
        raise LabkitError(f"atoms {first} and {second} coincide, so the bond has no direction")
    made = []
    for wanted in lengths:
        moved = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info={"length": float(wanted)})
        moved.positions[second] += (wanted / length - 1) * along
        made.append(moved)
    return made


def bonds(atoms: Atoms, species: tuple[int, int]) -> np.ndarray:
    """Pairs (b, 2) of these two species, in this order, closer than 1.3 times the sum of their covalent radii.

    >>> from ase.build import molecule
    >>> bonds(molecule("H2O"), (8, 1)).tolist()
    [[0, 1], [0, 2]]
    """
    from ase.data import covalent_radii

    distances = atoms.get_all_distances(mic=bool(atoms.pbc.any()))
    near = distances < 1.3 * covalent_radii[list(species)].sum()
    pairs = np.argwhere(near & (atoms.numbers[:, None] == species[0]) & (atoms.numbers[None, :] == species[1]))
    return pairs[pairs[:, 0] < pairs[:, 1]] if species[0] == species[1] else pairs
