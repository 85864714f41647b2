"""Implicit solvent with a compiled kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labkit.config import config
from labkit.forcefield.fast.arrays import array_of
from labkit.forcefield.fast.pairs import CompiledPairs, by_rank
from labkit.units import COULOMB

if TYPE_CHECKING:
    from labkit.forcefield.terms.generalized_born.term import GeneralizedBorn


class CompiledBorn(CompiledPairs):
    """Implicit solvent."""

    def _read(self) -> None:
        term: GeneralizedBorn = self.terms[0]
        charges, radii, screen, shape = (array_of(getattr(term, key)) for key in term.VALUES)
        rho = radii - term.offset
        kinds = term.kinds.numpy() if term.necks else np.zeros(len(rho), np.int64)
        self._values = charges * COULOMB**0.5, radii, rho, screen * rho, shape, kinds
        self._kinds = kinds
        tables = [array_of(table).reshape(len(table), len(table)) for table in (term.depth, term.distance)]
        reach = 2 * term.offset + term.neck_reach if term.necks else None
        self._necks = float(term.neck_scale) * tables[0], tables[1], reach
        cut2, shifted = (None, 0.0) if term.reach is None else (term.reach**2, 1 / term.reach)
        self._water = (
            term.saturating, 1 / term.solute_dielectric, 1 / term.solvent_dielectric, float(term.kappa) or None,
            shifted, 4 * np.pi * term.surface_tension, term.probe,
        )  # fmt: skip
        self._cut2 = cut2
        self._sorted = None

    def _find(self, positions: np.ndarray, cells: np.ndarray, which: np.ndarray | None) -> None:
        from labkit.forcefield.fast.kernels.born import rows_of

        super()._find(positions, cells, which)
        clusters = self._kept.clusters
        self._rows = rows_of(clusters.start, clusters.system, clusters.first)

    def _add(self, positions: np.ndarray, cells: np.ndarray, *results: np.ndarray) -> None:
        from labkit.forcefield.fast.kernels.born import born, divided

        clusters = self._kept.clusters
        if self._sorted is None:  # a last row for slots without an atom
            self._sorted = tuple(by_rank(values, clusters.order) for values in self._values)
        if self._work is None or self._work[0] != config().threads:
            self._work = config().threads, divided(config().threads, clusters.system, clusters.first)
        forces, energy, virial = results[1], results[0], results[2]
        born(
            config().threads, positions, cells, clusters, self._work[1], self._rows, self._sorted, self._necks,
            self._water, self._cut2, forces, energy, virial,
        )  # fmt: skip
