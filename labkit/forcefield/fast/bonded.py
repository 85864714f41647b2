"""Bonded terms, compiled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labkit.base import State
from labkit.base.lattice import lattices_of
from labkit.forcefield.fast.arrays import array_of
from labkit.forcefield.terms.registry import kernel_of
from labkit.forcefield.terms.term import Term

#: adds to (positions, index, energy, forces, virial)
Compute = Callable[..., None]


class CompiledBonded:
    """A bonded term; if it is periodic, each atom of a row is at the image nearest to the one before it.

    `make` returns the compiled function for the rows of atoms (m, w) and the term's VALUES.
    """

    def __init__(self, term: Term, make: Callable[..., Compute]) -> None:
        self.terms, self._make = (term,), make

    def begin(self, state: State) -> None:
        (term,) = self.terms
        values = [array_of(getattr(term, key)) for key in term.VALUES]
        self._atoms, self._index, self._pbc = array_of(term.atoms), state.system.index.numpy(), state.system.pbc.numpy()
        self._periodic = term.periodic and bool(self._pbc.any())
        if self._periodic:  # each row has atoms of its own, which may be at other images than in another row
            self._row_index = self._index[self._atoms].ravel()
            self._placed, self._of_rows = np.empty((2, self._atoms.size, 3))
        rows = np.arange(self._atoms.size).reshape(self._atoms.shape) if self._periodic else self._atoms
        self._compute = self._make(rows, *values)

    def add(
        self, positions: np.ndarray, cells: np.ndarray, energy: np.ndarray, forces: np.ndarray, virial: np.ndarray
    ) -> None:
        if not self._periodic:
            self._compute(positions, self._index, energy, forces, virial)
            return
        from labkit.forcefield.fast.kernels.nearest import fold, unfold

        unfold(self._atoms, positions, self._index, lattices_of(cells, self._pbc).arrays(), self._placed)
        self._of_rows[:] = 0.0
        self._compute(self._placed, self._row_index, energy, self._of_rows, virial)
        fold(self._atoms, self._of_rows, forces)


def bonded_kernel(*kinds: type[Term]) -> Callable[[Callable[..., Compute]], Callable[..., Compute]]:
    """Register f(atoms, *values) -> compute(positions, index, energy, forces, virial), of arrays, for bonded terms."""

    def register(make: Callable[..., Compute]) -> Callable[..., Compute]:
        @kernel_of(*kinds)
        def kernel(term: Term, real: type) -> CompiledBonded | None:
            return CompiledBonded(term, make) if len(term.atoms) else None

        return make

    return register
