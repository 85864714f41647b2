"""Placeholders: numbers that stand where a label was never computed, such as 0, -1 or 999."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from labkit.datasets.listed import listed
from labkit.datasets.pairs import find_pairs, relative_distance

if TYPE_CHECKING:
    from labkit.datasets.dataset import Dataset

NEAR, REACH = 2.0, 5.0  # of covalent radii, and Å: atoms that near surely act on each other
LOPSIDED = 1e-3  # sum of weighted unit vectors to the neighbours of an atom, above which no symmetry makes its force 0
FAR = 10.0  # robust standard deviations of the other energies
BATCH = 500  # frames whose neighbours are searched together


class Placeholder(NamedTuple):
    """Rows of a label (frames, or atoms of forces) that hold a placeholder, and a sentence about them."""

    label: str
    rows: np.ndarray
    text: str


def placeholders(atoms: Sequence[Atoms], labels: Mapping[str, np.ndarray], offsets: np.ndarray) -> list[Placeholder]:
    """What was filled in, in labels as of a Dataset; NaN are not looked at.

    - forces that are one filler in all components, and forces of 0 on an atom that no symmetry holds: its neighbours
      stand on one side;
    - a stress or polarizability that is one filler in all components, unless nothing acts on anything;
    - energies that are a filler in several different frames, or far from all others.

    A filler is 0, -1, a row of nines or above 1e10 in size.
    """
    found = [
        _of_forces(atoms, labels["forces"], offsets),
        _of_tensors("stress", atoms, labels["stress"]),
        _of_tensors("polarizability", atoms, labels["polarizability"]),
        _of_energies(atoms, labels["energy"], np.diff(offsets)),
    ]
    return [one for one in found if one is not None]


def without_placeholders(dataset: Dataset) -> tuple[Dataset, list[str]]:
    """The dataset with its placeholders as missing labels (NaN), and a sentence about each label that has some.

    >>> from labkit.datasets import ice
    >>> ds = ice("train", n=50)
    >>> ds.energy[[3, 7]] = 0.0
    >>> clean, said = without_placeholders(ds)
    >>> np.flatnonzero(np.isnan(clean.energy)).tolist(), said
    ([3, 7], ['energy of frames 3, 7 is 0 (placeholders), taken as missing'])
    """
    clean, found = split_off(dataset)
    return clean, [said(one) for one in found]


def split_off(dataset: Dataset) -> tuple[Dataset, list[Placeholder]]:
    """The dataset with its placeholders as missing labels (NaN), and the placeholders."""
    labels = {name: getattr(dataset, name) for name in ("energy", "forces", "stress", "polarizability")}
    found = placeholders(dataset.atoms, labels, dataset.offsets)
    return replace(dataset, **blanked(labels, found)) if found else dataset, found


def blanked(labels: Mapping[str, np.ndarray], found: Sequence[Placeholder]) -> dict[str, np.ndarray]:
    """The labels in which there are placeholders, without them: copies with NaN."""
    changed = {}
    for one in found:
        changed[one.label] = np.array(labels[one.label], dtype=float)
        changed[one.label][one.rows] = np.nan
    return changed


def said(one: Placeholder) -> str:
    """A sentence for the user."""
    return f"{one.text} (placeholders), taken as missing"


def is_filler(values: np.ndarray) -> np.ndarray:
    """Whether numbers are such as programs and people fill in.

    >>> is_filler(np.array([0.0, -1.0, 9999.0, 0.5, 99.0, 1e30])).tolist()
    [True, True, True, False, False, True]
    """
    size = np.abs(np.nan_to_num(np.asarray(values, dtype=float), nan=0.5, posinf=1e300, neginf=1e300))
    digits = np.log10(size + 1.0)  # 999 + 1 is a power of ten
    nines = (size >= 999) & (np.abs(digits - np.round(digits)) < 1e-12) & (size == np.round(size))
    return (size == 0) | (np.asarray(values) == -1) | nines | (size >= 1e10)


def _of_forces(atoms: Sequence[Atoms], forces: np.ndarray, offsets: np.ndarray) -> Placeholder | None:
    if _missing(forces):
        return None
    low, high = forces.min(1), forces.max(1)  # NaN where a component is missing
    flat = (low == high) & is_filler(low)
    if not flat.any():
        return None
    counts = np.diff(offsets)
    frame = np.repeat(np.arange(len(counts)), counts)
    whole = _all_in_frame(flat, offsets) & _one_value(low, offsets)
    rows = whole[frame] & (low != 0)  # a constant that is not 0: forces sum to zero
    zero = flat & (low == 0)
    asked = np.unique(frame[zero])
    lopsided = np.zeros(len(forces), bool)
    for start in range(0, len(asked), BATCH):
        some = asked[start : start + BATCH]
        where = np.concatenate([np.arange(offsets[k], offsets[k + 1]) for k in some])
        lopsided[where] = _lopsided([atoms[int(k)] for k in some])
    empty = whole & (np.bincount(frame, zero & lopsided, len(counts)) > 0)
    rows |= zero & (lopsided | empty[frame])
    if not rows.any():
        return None
    full = np.flatnonzero(_all_in_frame(rows, offsets))
    part = np.setdiff1d(np.unique(frame[rows]), full)
    words = []
    if len(full):
        words.append(f"all forces of {listed(full)} are {_values(low[offsets[full]])}")
    if len(part):
        count = int(rows[np.isin(frame, part)].sum())
        words.append(f"forces of {count} atoms in {listed(part)} are exactly 0, as of atoms that were held")
    return Placeholder("forces", rows, "; ".join(words))


def _of_tensors(label: str, atoms: Sequence[Atoms], tensors: np.ndarray) -> Placeholder | None:
    if _missing(tensors):
        return None
    flat = tensors.reshape(len(tensors), 9)
    rows = (flat.min(1) == flat.max(1)) & is_filler(flat[:, 0])
    if label == "stress":
        for k in np.flatnonzero(rows & (flat[:, 0] == 0)):
            rows[k] = atoms[int(k)].cell.rank < 3 or _acting(atoms[int(k)])
    if not rows.any():
        return None
    which = np.flatnonzero(rows)
    return Placeholder(label, rows, f"{label} of {listed(which)} is {_values(flat[which, 0])} in all components")


def _of_energies(atoms: Sequence[Atoms], energy: np.ndarray, counts: np.ndarray) -> Placeholder | None:
    rows = np.zeros(len(energy), bool)
    known = np.isfinite(energy)
    filled = known & is_filler(energy)
    if not filled.any() or known.sum() < 2:
        return None
    others = energy[known & ~filled]
    rounded = len(np.unique(others)) < len(others) / 2  # energies of few digits repeat by themselves
    each = others / counts[known & ~filled]
    for value in np.unique(energy[filled]):
        mine = [int(k) for k in np.flatnonzero(energy == value) if _acting(atoms[int(k)])]
        if not mine:
            continue
        if len(others) >= 3:
            middle = np.median(each)
            spread = max(1.4826 * float(np.median(np.abs(each - middle))), 0.05)
            far = np.array([abs(value / counts[k] - middle) > FAR * spread for k in mine])
        else:
            far = np.zeros(len(mine), bool)
        different = len({(atoms[k].numbers.tobytes(), atoms[k].positions.tobytes()) for k in mine}) > 1
        if different and not rounded:
            far[:] = True
        rows[np.array(mine)[far]] = True
    if not rows.any():
        return None
    which = np.flatnonzero(rows)
    return Placeholder("energy", rows, f"energy of {listed(which)} is {_values(energy[which])}")


def _lopsided(frames: list[Atoms]) -> np.ndarray:
    """Whether the neighbours of each atom stand more on one side, (n,): then its force is 0 by accident only."""
    pairs = find_pairs(frames, REACH)
    weight = np.maximum(1 - relative_distance(pairs) / NEAR, 0.0) ** 2
    total = np.zeros((len(pairs.numbers), 3))
    np.add.at(total, pairs.i, weight[:, None] * pairs.unit)
    return np.linalg.norm(total, axis=1) > LOPSIDED


def _acting(atoms: Atoms) -> bool:
    """Whether some atoms are so near that they act on each other."""
    if len(atoms) < 2 and not atoms.pbc.any():
        return False
    reach = min(REACH, 2 * NEAR * float(covalent_radii[atoms.numbers].max()))
    return bool((relative_distance(find_pairs([atoms], reach)) < NEAR).any())


def _missing(array: np.ndarray) -> bool:
    """Whether no frame has this label, as `structures.missing` stores it."""
    return not array.size or (not any(array.strides) and bool(np.isnan(array.flat[0])))


def _all_in_frame(flags: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    counts = np.diff(offsets)
    frame = np.repeat(np.arange(len(counts)), counts)
    return (np.bincount(frame, flags, len(counts)) == counts) & (counts > 0)


def _one_value(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Whether all atoms of a frame have the value of its first."""
    counts = np.diff(offsets)
    first = np.repeat(values[np.minimum(offsets[:-1], max(len(values) - 1, 0))], counts)
    return _all_in_frame(values == first, offsets)


def _values(values: np.ndarray) -> str:
    return " or ".join(f"{x:g}" for x in np.unique(values)[:3])
