"""What a label depends on: elements, positions, cell, periodicity, charge and spin; their hash and their bytes."""

from __future__ import annotations

import hashlib

import numpy as np
from ase import Atoms

from labkit.errors import LabkitError

RESOLUTION = 1e-10  # Å: positions and cells that differ by less are the same structure
LARGEST = 1e8  # Å, far below what 64-bit integers of RESOLUTION hold
STATES = ("charge", "multiplicity")  # info keys: total charge [e] and 2 S + 1
PER_ATOM = ("initial_charges", "initial_magmoms")  # arrays that ASE calculators read


def bare(atoms: Atoms) -> Atoms:
    """A copy with only what the hash covers, so that an oracle cannot depend on anything else.

    Constraints are dropped: with them ASE sets the forces on fixed atoms to zero.
    """
    structure = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    for key in PER_ATOM:
        if key in atoms.arrays and np.any(atoms.arrays[key]):
            structure.set_array(key, np.asarray(atoms.arrays[key], dtype=float))
    for key in STATES:
        if atoms.info.get(key) is not None:
            structure.info[key] = _integer(atoms.info[key], f"info[{key!r}]")
    return structure


def structure_hash(atoms: Atoms) -> str:
    """sha256 of numbers, pbc, and positions and cell [Å] rounded to 1e-10 Å; of charge and spin where they are set.

    Charge and spin are info["charge"] (total, e), info["multiplicity"] (2 S + 1), and non-zero initial charges and
    magnetic moments. Nothing is moved, rotated or reordered first: forces are in the order of the atoms, and an energy
    depends on a shift by a lattice vector in its last digits. Momenta, masses, tags, constraints and other info do not
    count. Raises LabkitError, naming the atom, for values that are not finite.

    >>> from ase.build import molecule
    >>> water = molecule("H2O")
    >>> moved = water.copy()
    >>> moved.positions += 1e-13
    >>> structure_hash(water) == structure_hash(moved)
    True
    >>> moved.info["charge"] = 1
    >>> structure_hash(water) == structure_hash(moved)
    False
    """
    atoms = bare(atoms)
    digest = hashlib.sha256(f"labkit structure 1\n{len(atoms)}\n".encode())
    digest.update(atoms.numbers.astype("<i8").tobytes() + atoms.pbc.astype("<i8").tobytes())
    digest.update(_rounded(atoms.positions, "position") + _rounded(atoms.cell.array, "cell vector"))
    for key in PER_ATOM:
        if key in atoms.arrays:
            digest.update(key.encode() + _rounded(atoms.arrays[key], key))
    if atoms.info.get("charge", 0) != 0:
        digest.update(f"charge {atoms.info['charge']}\n".encode())
    if "multiplicity" in atoms.info:
        digest.update(f"multiplicity {atoms.info['multiplicity']}\n".encode())
    return digest.hexdigest()


def total_charge(atoms: Atoms) -> int:
    """info["charge"], or else the sum of the initial charges, as in ASE; e."""
    if "charge" in atoms.info:
        return _integer(atoms.info["charge"], "info['charge']")
    return _integer(np.sum(atoms.arrays.get("initial_charges", 0.0)), "the sum of the initial charges")


def multiplicity(atoms: Atoms) -> int:
    """2 S + 1: info["multiplicity"], or else from the initial magnetic moments, or else the lowest possible, 1 or 2.

    Raises LabkitError if the number of electrons does not allow it.
    """
    electrons = int(atoms.numbers.sum()) - total_charge(atoms)
    moments = atoms.arrays.get("initial_magmoms")
    if "multiplicity" in atoms.info:
        found = _integer(atoms.info["multiplicity"], "info['multiplicity']")
    elif moments is not None:
        found = round(abs(float(np.sum(moments)))) + 1
    else:
        found = 1 + electrons % 2
    if found < 1 or (electrons + found) % 2 == 0:
        raise LabkitError(
            f"{electrons} electrons cannot have the multiplicity {found}, which info or the initial magnetic moments "
            f"give; expected {'2, 4' if electrons % 2 else '1, 3'}, ...: set info['charge'] and info['multiplicity']"
        )
    return found


def _rounded(values: np.ndarray, what: str) -> bytes:
    bad = ~(np.abs(values) <= LARGEST)
    if bad.any():
        i = int(np.argwhere(bad)[0][0])
        raise LabkitError(f"atom {i}: {what} {values[i]} is not a finite number below {LARGEST:g}")
    return np.rint(np.asarray(values, dtype=float) / RESOLUTION).astype("<i8").tobytes()


def _integer(value: object, what: str) -> int:
    try:
        number = float(value)  # type: ignore[arg-type]
        if abs(number - round(number)) < 1e-6:
            return round(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise LabkitError(f"{what} is {value!r}, expected a whole number")
