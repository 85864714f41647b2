"""The chemical formula of a structure as chemists write it: molecules, and how many of each."""

from __future__ import annotations

from collections import Counter

from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
KINDS = 3  # more kinds of molecules are not listed
LARGEST = 5000  # atoms whose bonds are looked for


def formula(atoms: Atoms) -> str:
    """Molecules with their numbers, or the sum formula of what has more than three kinds of them.

    Atoms are bonded that are nearer than 1.2 times the sum of their covalent radii.

    >>> from ase.build import bulk, molecule
    >>> two = molecule("H2O") + molecule("H2O")
    >>> two.positions[3:] += 4.0
    >>> formula(two), formula(molecule("C6H6")), formula(bulk("NaCl", "rocksalt", 5.64, cubic=True))
    ('(H₂O)₂', 'C₆H₆', 'Cl₄Na₄')
    """
    kinds = _molecules(atoms) if 0 < len(atoms) <= LARGEST else Counter()
    if not 0 < len(kinds) <= KINDS:
        return _sub(atoms)
    return " + ".join(_times(name, count) for name, count in kinds.most_common())


def _molecules(atoms: Atoms) -> Counter[str]:
    i, j = neighbor_list("ij", atoms, 1.2 * covalent_radii[atoms.numbers])
    count, which = connected_components(coo_matrix(([True] * len(i), (i, j)), (len(atoms),) * 2), directed=False)
    members: list[list[int]] = [[] for _ in range(count)]
    for atom, molecule in enumerate(which):
        members[molecule].append(atom)
    return Counter(_sub(atoms[one]) for one in members)


def _times(name: str, count: int) -> str:
    if count == 1:
        return name
    element = len(name) <= 2 and name.isalpha()  # an atom alone takes no brackets
    return (name if element else f"({name})") + str(count).translate(SUBSCRIPTS)


def _sub(atoms: Atoms) -> str:
    return atoms.get_chemical_formula().translate(SUBSCRIPTS)
