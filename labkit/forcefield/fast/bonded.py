"""Bonded terms, compiled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labkit.base import State
from labkit.forcefield.terms.registry import kernel_of
from labkit.forcefield.terms.term import Term

#: adds to (positions, index, energy, forces, virial)
Compute = Callable[..., None]


class CompiledBonded:
    """A bonded term without nearest images.

    `make` returns the compiled function for the rows of atoms (m, w) and the term's VALUES.
    """

    def __init__(self, term: Term, make: Callable[..., Compute]) -> None:
        self.terms, self._make = (term,), make

    def begin(self, state: State) -> None:
        (term,) = self.terms
        values = [getattr(term, key).detach().double().numpy() for key in term.VALUES]
        self._index, self._compute = state.system.index.numpy(), self._make(term.atoms.numpy(), *values)

    def add(
        self, positions: np.ndarray, cells: np.ndarray, energy: np.ndarray, forces: np.ndarray, virial: np.ndarray
    ) -> None:
        self._compute(positions, self._index, energy, forces, virial)


def bonded_kernel(*kinds: type[Term]) -> Callable[[Callable[..., Compute]], Callable[..., Compute]]:
    """Register f(atoms, *values) -> compute(positions, index, energy, forces, virial), of arrays, for bonded terms."""

    def register(make: Callable[..., Compute]) -> Callable[..., Compute]:
        @kernel_of(*kinds)
        def kernel(term: Term, real: type) -> CompiledBonded | None:
            return None if term.periodic or not len(term.atoms) else CompiledBonded(term, make)

        return make

    return register
