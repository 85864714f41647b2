"""Columns: the data of each frame besides its labels, stored as arrays and read as a dict for each frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

from labkit.errors import LabkitError


class Columns(Sequence[dict[str, Any]]):
    """S dicts from arrays with S rows, by name; empty dicts without arrays.

    >>> info = Columns({"trajectory": np.array([0, 0, 1])}, 3)
    >>> info[2], len(info.pick(np.array([0, 2])))
    ({'trajectory': 1}, 2)
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], length: int, where: str = "info") -> None:
        self.arrays, self.length = dict(arrays), length
        for name, array in self.arrays.items():
            if np.ndim(array) < 1 or len(array) != length:
                raise LabkitError(
                    f"{where}: {name!r} has the shape {np.shape(array)}; expected a row for each of {length} frames"
                )

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, i: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, i: slice) -> Columns: ...

    def __getitem__(self, i: int | slice) -> dict[str, Any] | Columns:
        if isinstance(i, slice):
            return self.pick(np.arange(self.length)[i])
        if not -self.length <= i < self.length:
            raise IndexError(f"frame {i} of {self.length}")
        return {name: array[i].item() if np.ndim(array[i]) == 0 else array[i] for name, array in self.arrays.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(self.length))

    def __add__(self, other: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
        if isinstance(other, Columns) and other.arrays.keys() == self.arrays.keys():
            both = {name: np.concatenate([array, other.arrays[name]]) for name, array in self.arrays.items()}
            return Columns(both, len(self) + len(other))
        return [*self, *other]

    def pick(self, rows: np.ndarray) -> Columns:
        return Columns({name: array[rows] for name, array in self.arrays.items()}, len(rows))
