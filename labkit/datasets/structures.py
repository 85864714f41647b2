"""Structures: what a dataset needs from its frames, whether they are ASE Atoms or arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, Self

import numpy as np
from ase import Atoms

from labkit.base import State


class Structures(Protocol):
    """A sequence of S structures: `structures[i]` is one ASE Atoms, without a calculator.

    counts   (S,) atoms of each
    species  the atomic numbers that occur, ascending
    """

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Atoms: ...

    def __iter__(self) -> Iterator[Atoms]: ...

    @property
    def counts(self) -> np.ndarray: ...

    @property
    def species(self) -> np.ndarray: ...

    def flat(self, rows: np.ndarray) -> np.ndarray:
        """Numbers, positions, cell and pbc of some structures, one structure after another, as floats in one row."""

    def column(self, name: str, rows: np.ndarray) -> list[str] | None:
        """An array of atoms as text, of some structures; "" for one without it, None if none of them has it."""

    def pick(self, rows: np.ndarray) -> Self:
        """Some of the structures, in the order of `rows`, whole numbers from 0."""

    def state(self, rows: np.ndarray, **options: Any) -> State:
        """Some of the structures as one batch; `options` are dtype and device, as in State.from_atoms."""


class AtomsList(list[Atoms]):
    """Structures as a list of ASE Atoms."""

    @property
    def counts(self) -> np.ndarray:
        return np.array([len(atoms) for atoms in self], dtype=int)

    @property
    def species(self) -> np.ndarray:
        return np.unique(np.concatenate([atoms.numbers for atoms in self] or [np.zeros(0, int)]))

    def flat(self, rows: np.ndarray) -> np.ndarray:
        parts = (x for a in self.pick(rows) for x in (a.numbers, a.positions, a.cell.array, a.pbc))
        return np.concatenate([np.zeros(0), *map(np.ravel, parts)])

    def column(self, name: str, rows: np.ndarray) -> list[str] | None:
        some = self.pick(rows)
        if not any(name in a.arrays for a in some):
            return None
        return [str(x) for a in some for x in (a.arrays[name] if name in a.arrays else [""] * len(a))]

    def pick(self, rows: np.ndarray) -> AtomsList:
        return AtomsList(self[i] for i in rows)

    def state(self, rows: np.ndarray, **options: Any) -> State:
        return State.from_atoms(self.pick(rows), **options)


def selected(which: Any, n: int) -> np.ndarray:
    """Whole numbers from 0 for what an int, slice, list or boolean array selects from `n` frames."""
    try:
        if isinstance(which, slice):
            return np.arange(n)[which]
        array = np.asarray(which)
        return np.atleast_1d(np.arange(n)[array if array.size or array.dtype == bool else array.astype(int)])
    except IndexError as error:
        raise IndexError(f"{which!r} does not select from {n} frames: {error}") from None


def atoms_of(rows: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Indices of the atoms of some frames, one frame after another.

    >>> atoms_of(np.array([2, 0]), np.array([0, 3, 5, 7])).tolist()
    [5, 6, 0, 1, 2]
    """
    counts = offsets[rows + 1] - offsets[rows]
    ends = np.cumsum(counts)
    return np.arange(counts.sum()) + np.repeat(offsets[rows] - (ends - counts), counts)


def missing(shape: tuple[int, ...]) -> np.ndarray:
    """Read-only NaN of a shape, in the memory of one number: a label that no frame has."""
    return np.broadcast_to(np.nan, shape)


def take(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """array[rows]; one repeated value stays one value, and a mapped file gives a view if possible."""
    if array.ndim and array.size and not any(array.strides):
        return np.broadcast_to(array.flat[0], (len(rows), *array.shape[1:]))
    if (
        isinstance(array, np.memmap)
        and len(rows)
        and rows[-1] - rows[0] == len(rows) - 1
        and (np.diff(rows) == 1).all()
    ):
        return array[rows[0] : rows[-1] + 1]
    return np.asarray(array[rows])


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rows of both; labels missing in both stay in the memory of one number."""
    if all(array.size and np.isnan(array.flat[0]) and not any(array.strides) for array in (first, second)):
        return missing((len(first) + len(second), *first.shape[1:]))
    return np.concatenate([first, second])
