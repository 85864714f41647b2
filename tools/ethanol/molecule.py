"""The ethanol molecule: conformers, bonds, and frames with a stretched bond or turned torsions."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.optimize import BFGS

from labkit.datasets.stretch import bonds
from labkit.errors import LabkitError
from labkit.oracles import MissingProgram

METHYL_C, C, O, H_OF_O = 0, 1, 2, 3  # in the order of ASE's CH3CH2OH
METHYL_H = (6, 7, 8)
TORSIONS = (180.0, 60.0, -60.0)  # C-C-O-H of the three minima, degrees: trans and both gauche forms
SIDES = {"O-H": (O, H_OF_O, [H_OF_O]), "C-C": (C, METHYL_C, [METHYL_C, *METHYL_H])}  # a bond and the side that moves
LONGEST = 1.6  # times the length at the minimum: beyond it restricted Kohn-Sham fails
SHORTEST = 0.6


def calculator() -> Any:
    """A new ASE calculator for GFN2-xTB."""
    try:
        from tblite.ase import TBLite
    except ImportError as error:
        raise MissingProgram("the dynamics of ethanol needs tblite: python -m pip install tblite") from error
    return TBLite(method="GFN2-xTB", verbosity=0)


@cache
def minima() -> tuple[Atoms, ...]:
    """The minima of GFN2-xTB: trans, gauche, and gauche of the other hand."""
    found = []
    for torsion in TORSIONS:
        atoms = molecule("CH3CH2OH")
        atoms.set_dihedral(METHYL_C, C, O, H_OF_O, torsion, indices=[H_OF_O])
        atoms.calc = calculator()
        if not BFGS(atoms, logfile=None).run(fmax=1e-3, steps=500):
            raise LabkitError(f"the minimum of ethanol near a torsion of {torsion:g}° was not found in 500 steps")
        found.append(Atoms(atoms.numbers, atoms.positions))
    return tuple(found)


@cache
def bonded() -> tuple[np.ndarray, np.ndarray]:
    """Pairs of bonded atoms (8, 2), and their lengths at the trans minimum (8,) [Å]."""
    trans = minima()[0]
    pairs = np.concatenate([bonds(trans, species) for species in ((6, 6), (6, 8), (6, 1), (8, 1))])
    return pairs, np.linalg.norm(trans.positions[pairs[:, 0]] - trans.positions[pairs[:, 1]], axis=1)


def require_whole(atoms: Atoms) -> None:
    """Raise LabkitError, naming the bond, if one has not 0.6 to 1.6 times its length at the minimum."""
    pairs, lengths = bonded()
    ratios = np.linalg.norm(atoms.positions[pairs[:, 0]] - atoms.positions[pairs[:, 1]], axis=1) / lengths
    for (i, j), ratio in zip(pairs, ratios):
        if not SHORTEST <= ratio <= LONGEST + 1e-4:
            raise LabkitError(
                f"the bond of {atoms.symbols[i]} {i} and {atoms.symbols[j]} {j} has {ratio:.3f} times its length at "
                f"the minimum, expected {SHORTEST} to {LONGEST}"
            )


def stretched(atoms: Atoms, bond: str, ratio: float) -> Atoms:
    """A copy with one bond of SIDES at `ratio` times its length at the minimum; one side of it is moved as a whole."""
    first, second, side = SIDES[bond]
    pairs, lengths = bonded()
    (which,) = np.flatnonzero((np.sort(pairs, axis=1) == sorted((first, second))).all(axis=1))
    moved = atoms.copy()
    along = moved.positions[second] - moved.positions[first]
    length = np.linalg.norm(along)
    moved.positions[side] += (ratio * lengths[which] - length) / length * along
    moved.info |= {"bond": bond, "ratio": round(float(ratio), 6)}
    return moved


def turned(atoms: Atoms, hydroxyl: float, methyl: float) -> Atoms:
    """A copy with the O-H group and the methyl group turned about their bonds by these angles [degrees]."""
    moved = atoms.copy()
    moved.rotate_dihedral(METHYL_C, C, O, H_OF_O, angle=hydroxyl, indices=[H_OF_O])
    moved.rotate_dihedral(O, C, METHYL_C, METHYL_H[0], angle=methyl, indices=list(METHYL_H))
    return moved
