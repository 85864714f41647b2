"""Bonded terms by compiled kernels: bonds, 1-4 pairs, angles, torsions of the three kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from labkit.base import State
from labkit.forcefield.terms.angles import HarmonicAngles
from labkit.forcefield.terms.bonds import HarmonicBonds, UreyBradley
from labkit.forcefield.terms.pairs14 import Pairs14
from labkit.forcefield.terms.term import Term
from labkit.forcefield.terms.torsions import HarmonicImpropers, RyckaertBellemans, Torsions
from labkit.units import COULOMB

KINDS = (HarmonicBonds, UreyBradley, Pairs14, HarmonicAngles, Torsions, RyckaertBellemans, HarmonicImpropers)
NONE, TABLE = np.empty(0), np.empty((0, 1))
HIGHEST = 12  # periodicity in a series of cosines


class CompiledBonded:
    """All bonded terms that do not look for nearest images."""

    def __init__(self, terms: Iterable[Term]) -> None:
        self.terms = tuple(t for t in terms if t.kind in KINDS and not t.periodic and len(t.atoms))

    def begin(self, state: State) -> None:
        self._index, self._kernels = state.system.index.numpy(), [_kernel(term) for term in self.terms]

    def add(
        self, positions: np.ndarray, cells: np.ndarray, energy: np.ndarray, forces: np.ndarray, virial: np.ndarray
    ) -> None:
        for kernel in self._kernels:
            kernel(positions, self._index, energy, forces, virial)


def _kernel(term: Term) -> Callable[..., None]:
    from labkit.forcefield.fast.kernels import bonded

    atoms, values = term.atoms.numpy(), [getattr(term, key).detach().double().numpy() for key in term.VALUES]
    if isinstance(term, HarmonicBonds):
        return partial(bonded.bonds, atoms, *values)
    if isinstance(term, Pairs14):
        return partial(bonded.pairs14, atoms, COULOMB * values[0], *values[1:])
    if isinstance(term, HarmonicAngles):
        return partial(bonded.angles, atoms, *values)
    if isinstance(term, Torsions):
        n, phase, k = values
        if np.isin(n, np.arange(HIGHEST + 1)).all():
            return partial(bonded.torsions, bonded.COSINE, *_series(atoms, n.astype(int), phase, k), NONE, NONE, TABLE)
        return partial(bonded.torsions, bonded.COSINE, atoms, None, n, phase, k[:, None])
    if isinstance(term, RyckaertBellemans):
        return partial(bonded.torsions, bonded.RYCKAERT_BELLEMANS, atoms, None, NONE, NONE, values[0])
    return partial(bonded.torsions, bonded.HARMONIC, atoms, None, *values, TABLE)


def _series(atoms: np.ndarray, n: np.ndarray, phase: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different rows (q, 4) of atoms, and the sum of k (1 + cos(nφ - γ)) of each as a series (q, n + 1, 2)."""
    rows, which = np.unique(atoms, axis=0, return_inverse=True)
    series = np.zeros((len(rows), n.max() + 1, 2))
    np.add.at(series, (which.ravel(), 0, 0), k)
    np.add.at(series, (which.ravel(), n, 0), k * np.cos(phase))
    np.add.at(series, (which.ravel(), n, 1), k * np.sin(phase))
    return rows, series
