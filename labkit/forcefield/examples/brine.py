"""Salt water without input files: box, positions and force field, for examples and tests."""

from __future__ import annotations

import math

import numpy as np
import torch
from ase import Atoms

from labkit.base import State
from labkit.errors import LabkitError
from labkit.forcefield.forcefield import ForceField
from labkit.forcefield.terms.angles import HarmonicAngles
from labkit.forcefield.terms.bonds import HarmonicBonds
from labkit.forcefield.terms.coulomb import Coulomb
from labkit.forcefield.terms.lennard_jones import LennardJones
from labkit.units import KCAL_PER_MOL

#: Charges in e of TIP3P's oxygen and hydrogen and of the ions, in the order of `kinds`.
CHARGES = {"O": -0.834, "H": 0.417, "Na": 1.0, "Cl": -1.0}
#: σ [Å] and ε [kcal/mol]; ions of Joung and Cheatham (J. Phys. Chem. B 112, 9020, 2008), H as in CHARMM's TIP3P.
SIZES = {"O": (3.15061, 0.1521), "H": (0.4, 0.046), "Na": (2.43928, 0.0874393), "Cl": (4.47766, 0.0355910)}
OH, HOH = 0.9572, math.radians(104.52)
VOLUME = 29.9  # Å^3 per water molecule at 300 K


def brine(waters: int = 97, *, seed: int = 0) -> tuple[State, ForceField]:
    """`waters` molecules of flexible TIP3P, Na+ and Cl-, on a lattice in a periodic cube; minimise before running.

    The force field has the terms bonds, angles, lj and electrostatics (with a reaction field), the last two cut off at
    half the cell, at most 9 Å. Raises LabkitError for fewer than 8 waters, whose cell is too small for pair terms.

    >>> state, forcefield = brine(20)
    >>> state.system.n_atoms, list(forcefield.terms)
    (62, ['bonds', 'angles', 'lj', 'electrostatics'])
    """
    if waters < 8:
        raise LabkitError(f"brine of {waters} waters; expected 8 or more")
    random, molecules = np.random.default_rng(seed), waters + 2
    side, length = math.ceil(molecules ** (1 / 3)), (molecules * VOLUME) ** (1 / 3)
    places = np.stack(np.meshgrid(*[np.arange(side)] * 3), -1).reshape(-1, 3) * (length / side)
    places = random.permutation(places)[:molecules]
    shape = OH * np.array([[0, 0, 0], [1, 0, 0], [math.cos(HOH), math.sin(HOH), 0]])
    turned = [shape @ np.linalg.qr(random.normal(size=(3, 3)))[0] + place for place in places[:waters]]
    names = ["O", "H", "H"] * waters + ["Na", "Cl"]
    atoms = Atoms(names, np.concatenate([*turned, places[waters:]]), cell=[length] * 3, pbc=True)
    first = 3 * np.arange(waters)[:, None]
    bonds = np.concatenate([first + [0, 1], first + [0, 2]])
    excluded = np.concatenate([bonds, first + [1, 2]])
    cutoff = min(9.0, 0.49 * length)
    sigma, epsilon = zip(*(SIZES[name] for name in names), strict=True)
    terms = {
        "bonds": HarmonicBonds(bonds, 900 * KCAL_PER_MOL, OH, periodic=True),
        "angles": HarmonicAngles(first + [1, 0, 2], 110 * KCAL_PER_MOL, HOH, periodic=True),
        "lj": LennardJones(sigma, np.array(epsilon) * KCAL_PER_MOL, excluded, cutoff, 0.85 * cutoff),
        "electrostatics": Coulomb([CHARGES[name] for name in names], excluded, cutoff, 78.5),
    }
    return State.from_atoms(atoms, seed=seed), ForceField(terms, len(names))


def kinds(state: State) -> torch.Tensor:
    """The index of each atom of brine in `CHARGES`, (n,)."""
    order = torch.tensor([8, 1, 11, 17], device=state.system.numbers.device)
    return (state.system.numbers[:, None] == order).int().argmax(1)
