"""Bonded terms by compiled kernels: bonds, 1-4 pairs, angles, torsions of the three kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from labkit.base import State
from labkit.forcefield.angles import HarmonicAngles
from labkit.forcefield.bonds import HarmonicBonds, UreyBradley
from labkit.forcefield.pairs14 import Pairs14
from labkit.forcefield.term import Term
from labkit.forcefield.torsions import HarmonicImpropers, RyckaertBellemans, Torsions
from labkit.units import COULOMB

KINDS = (HarmonicBonds, UreyBradley, Pairs14, HarmonicAngles, Torsions, RyckaertBellemans, HarmonicImpropers)
NONE = np.empty(0)


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
    from labkit.forcefield.kernels import bonded

    atoms, values = term.atoms.numpy(), [getattr(term, key).detach().double().numpy() for key in term.VALUES]
    if isinstance(term, HarmonicBonds):
        return partial(bonded.bonds, atoms, *values)
    if isinstance(term, Pairs14):
        return partial(bonded.pairs14, atoms, COULOMB * values[0], *values[1:])
    if isinstance(term, HarmonicAngles):
        return partial(bonded.angles, atoms, *values)
    if isinstance(term, Torsions):
        n, phase, k = values
        if np.all((n == np.round(n)) & (n >= 0)):
            whole, parts = n.astype(np.int64), (k * np.cos(phase), k * np.sin(phase))
            return partial(bonded.torsions, bonded.COSINE, atoms, whole, *parts, k[:, None])
        return partial(bonded.torsions, bonded.COSINE, atoms, None, n, phase, k[:, None])
    if isinstance(term, RyckaertBellemans):
        return partial(bonded.torsions, bonded.RYCKAERT_BELLEMANS, atoms, None, NONE, NONE, values[0])
    return partial(bonded.torsions, bonded.HARMONIC, atoms, None, *values, NONE[:, None])
