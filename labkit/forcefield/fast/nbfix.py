"""Lennard-Jones with parameters for pairs of kinds, with a compiled kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labkit.forcefield.fast.arrays import array_of
from labkit.forcefield.fast.pairs import SKIN, CompiledPairs

if TYPE_CHECKING:
    from labkit.forcefield.terms.geometric_mixing import GeometricLennardJones
    from labkit.forcefield.terms.nbfix.term import Nbfix


class CompiledNbfix(CompiledPairs):
    """Lennard-Jones with parameters for pairs of kinds, without its long-range correction."""

    def _read(self) -> None:
        term: Nbfix | GeometricLennardJones = self.terms[0]
        kinds, *tables = term.tables()
        far = (np.inf if part is None else float(part) for part in (term.switch, term.reach))
        self._values = kinds.numpy(), *(array_of(table) for table in tables), *far

    def _find(self, positions: np.ndarray, cells: np.ndarray, which: np.ndarray | None) -> None:
        from labkit.forcefield.fast.kernels.pairs import single_pairs

        super()._find(positions, cells, which)
        reach2 = np.inf if self.cutoff is None else (self.cutoff + SKIN) ** 2
        self._pairs = (
            self._system.index.numpy(),
            *single_pairs(positions, self._kept.boxes(cells), reach2, *self._kept.clusters.arrays()),
        )

    def _add(self, positions: np.ndarray, cells: np.ndarray, *results: np.ndarray) -> None:
        from labkit.forcefield.fast.kernels.nbfix import nbfix

        nbfix(positions, cells, *self._pairs, *self._values, *results)
