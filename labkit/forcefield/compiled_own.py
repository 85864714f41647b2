"""Pair terms with a compiled kernel of their own: implicit solvent, and Lennard-Jones by pairs of kinds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labkit.forcefield.compiled_pairs import SKIN, CompiledPairs
from labkit.forcefield.generalized_born import NECK_REACH, PROBE, GeneralizedBorn
from labkit.forcefield.nbfix import Nbfix
from labkit.forcefield.term import Term
from labkit.units import COULOMB


def own_kernels(terms: Sequence[Term]) -> list[CompiledPairs]:
    """Those of the terms that have one."""
    kinds = {GeneralizedBorn: CompiledBorn, Nbfix: CompiledNbfix}
    return [kinds[term.kind]([term]) for term in terms if term.kind in kinds]


class CompiledOwn(CompiledPairs):
    """One term, by a kernel that goes through a list of single pairs."""

    def _find(self, positions: np.ndarray, cells: np.ndarray) -> None:
        from labkit.forcefield.kernels.pairs import single_pairs

        super()._find(positions, cells)
        reach2 = np.inf if self.cutoff is None else (self.cutoff + SKIN) ** 2
        self._pairs = self._system.index.numpy(), *single_pairs(positions, cells, reach2, *self._kept[1].arrays())


class CompiledBorn(CompiledOwn):
    """Implicit solvent."""

    def _read(self) -> None:
        term: GeneralizedBorn = self.terms[0]
        charges, radii, screen, shape = (getattr(term, key).detach().numpy() for key in term.VALUES)
        rho = radii - term.offset
        tables = [table.numpy().reshape(len(table), len(table)) for table in (term.depth, term.distance)]
        cutoff = np.inf if term.reach is None else term.reach
        self._values = (
            charges * COULOMB**0.5, radii, rho, screen * rho, shape, term.saturating, term.kinds.numpy(), *tables,
            NECK_REACH, float(term.neck_scale), 1 / term.solute_dielectric, 1 / term.solvent_dielectric,
            float(term.kappa), cutoff**2, 1 / cutoff, 4 * np.pi * term.surface_tension, PROBE,
        )  # fmt: skip

    def _add(self, positions: np.ndarray, cells: np.ndarray, *results: np.ndarray) -> None:
        from labkit.forcefield.kernels.born import born

        born(positions, cells, *self._pairs, *self._values, *results)


class CompiledNbfix(CompiledOwn):
    """Lennard-Jones by pairs of kinds, without its long-range correction."""

    def _read(self) -> None:
        term: Nbfix = self.terms[0]
        tables = (table.detach().numpy() for table in (term.repulsive, term.attractive))
        far = (np.inf if part is None else float(part) for part in (term.switch, term.reach))
        self._values = term.kinds.numpy(), *tables, *far

    def _add(self, positions: np.ndarray, cells: np.ndarray, *results: np.ndarray) -> None:
        from labkit.forcefield.kernels.nbfix import nbfix

        nbfix(positions, cells, *self._pairs, *self._values, *results)
