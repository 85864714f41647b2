"""Bonds and hydrogen bonds of one structure, by distances and angles."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

BONDED = 1.2  # distance of bonded atoms over the sum of their covalent radii, at most
POLAR = (7, 8, 9)  # N, O, F: donors and acceptors
LONGEST, STRAIGHT = 2.5, 130.0  # Å from hydrogen to acceptor, and the least angle at the hydrogen in degrees


def bonds(atoms: Atoms) -> np.ndarray:
    """Pairs (b, 2) closer than 1.2 times the sum of their covalent radii, without periodic images."""
    from scipy.spatial import cKDTree

    radii = covalent_radii[atoms.numbers]
    pairs = cKDTree(atoms.positions).query_pairs(2 * BONDED * radii.max(), output_type="ndarray").reshape(-1, 2)
    lengths = np.linalg.norm(atoms.positions[pairs[:, 0]] - atoms.positions[pairs[:, 1]], axis=1)
    return pairs[lengths < BONDED * radii[pairs].sum(1)]


def hydrogen_bonds(atoms: Atoms) -> np.ndarray:
    """Segments (m, 2, 3) in Å from hydrogens to acceptors or their periodic images.

    D-H...A is one if H is bonded to D and nearer than 2.5 Å to A, and the angle at H is 130 degrees or more; D and A
    are N, O or F. The distance is that of E. N. Baker and R. E. Hubbard, Prog. Biophys. Mol. Biol. 44, 97 (1984), who
    allow 120 degrees. Molecules must be whole, as `unwrap_molecules` makes them.

    >>> from ase.build import molecule
    >>> water = molecule("H2O")
    >>> donor, acceptor = water.positions[1], water.positions[1] + 1.9 * np.array([0.0, 0.787, -0.617])
    >>> len(hydrogen_bonds(water)), len(hydrogen_bonds(water + Atoms("O", [acceptor])))
    (0, 1)
    """
    polar, hydrogen = np.isin(atoms.numbers, POLAR), atoms.numbers == 1
    donor = np.full(len(atoms), -1)
    for i, j in bonds(atoms):
        for h, d in ((i, j), (j, i)):
            if hydrogen[h] and polar[d]:
                donor[h] = d
    if not (polar.any() and (donor >= 0).any()):
        return np.zeros((0, 2, 3))
    h, a, towards = neighbor_list("ijD", atoms, LONGEST)
    kept = (donor[h] >= 0) & polar[a]
    h, a, towards = h[kept], a[kept], towards[kept]
    back = atoms.positions[donor[h]] - atoms.positions[h]
    length = np.linalg.norm(towards, axis=1)
    cosine = (towards * back).sum(1) / (length * np.linalg.norm(back, axis=1))
    kept = cosine <= np.cos(np.radians(STRAIGHT))  # the donor itself lies at an angle of zero
    start = atoms.positions[h[kept]]
    return np.stack([start, start + towards[kept]], axis=1)
