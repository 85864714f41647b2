"""A linear model of the energy of any system, with its forces and its virials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from labkit.datasets.audit.terms import (
    DECAYS,
    POWERS,
    RADIAL,
    ModelTerm,
    angular_size,
    angular_terms,
    density_terms,
    pair_terms,
    sums,
)
from labkit.datasets.pairs import CUTOFF, Pairs, find_pairs

MOST = 14  # kinds of pairs with separate functions; the rarer ones share one set


@dataclass(frozen=True, eq=False)
class Basis:
    """E = Σ_m w_m Φ_m, F = X w with X = -∂Φ/∂R, and the virial Σ_m w_m ∂Φ_m/∂ε for a strain ε.

    The functions Φ are those of `terms`: of pairs, densities and angular moments.

    species  the elements
    kinds    (S, S) the pair function of two elements
    starts   shortest distance of each kind, Å
    """

    species: np.ndarray
    kinds: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, frames: Sequence[Atoms]) -> Basis:
        """For the elements and distances of some frames."""
        pairs = find_pairs(frames)
        species = np.unique(pairs.numbers)
        kinds = np.zeros((len(species), len(species)), int)
        one, other = (np.searchsorted(species, pairs.numbers[x]) for x in (pairs.i, pairs.j))
        both = list(combinations_with_replacement(range(len(species)), 2))
        counts = [np.count_nonzero((one == a) & (other == b)) for a, b in both]
        order = np.argsort(counts, kind="stable")[::-1]
        for place, n in enumerate(order):
            a, b = both[n]
            kinds[a, b] = kinds[b, a] = min(place, MOST)
        kind = kinds[one, other]
        shortest = [pairs.distance[kind == t].min(initial=CUTOFF / 1.5) for t in range(kinds.max() + 1)]
        return cls(species, kinds, np.maximum(shortest, 0.3))

    @property
    def size(self) -> int:
        elements = len(self.species)
        return RADIAL * len(self.starts) + len(POWERS) * len(DECAYS) * elements + angular_size(elements)

    def names(self) -> str:
        """The functions of the model, in words."""
        return (
            f"{len(self.starts)} kinds of pairs × {RADIAL} radial functions, "
            f"{self.size - RADIAL * len(self.starts)} functions of densities and angles "
            f"for {', '.join(chemical_symbols[z] for z in self.species)}, within {CUTOFF} Å"
        )

    def rows(self, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
        """X (n, 3, p), the forces of each function, and Φ (F, p), the energies."""
        n = len(pairs.numbers)
        forces, atomic = np.zeros((n, 3, self.size)), np.zeros((n, self.size))
        for columns, term in self._terms(pairs):
            atomic[:, columns] = term.atomic
            flat = term.gradient.reshape(len(term.pairs), 3 * term.atomic.shape[1])
            mine, there = sums(pairs.i[term.pairs], n), pairs.j[term.pairs]
            pulled = 2 * (mine @ flat) if term.odd else (mine - sums(there, n)) @ flat
            forces[:, :, columns] = pulled.reshape(n, 3, -1)
        return forces, np.add.reduceat(atomic, pairs.offsets[:-1], axis=0)

    def virials(self, pairs: Pairs) -> np.ndarray:
        """(F, 3, 3, p) ∂Φ/∂ε, eV for weights in eV: the stress is their sum over the volume."""
        count = len(pairs.offsets) - 1
        frame = np.searchsorted(pairs.offsets, pairs.i, side="right") - 1
        vector = pairs.unit * pairs.distance[:, None]
        out = np.zeros((count, 3, 3, self.size))
        for columns, term in self._terms(pairs):
            at, r = sums(frame[term.pairs], count), vector[term.pairs]
            for c in range(3):
                moment = (r[:, c, None, None] * term.gradient).reshape(len(r), 3 * term.atomic.shape[1])
                out[:, c, :, columns] = (at @ moment).reshape(count, 3, -1)
        return 0.5 * (out + out.swapaxes(1, 2))

    def _terms(self, pairs: Pairs) -> Iterator[tuple[slice, ModelTerm]]:
        place = np.searchsorted(self.species, pairs.numbers)
        kind, elements, column = self.kinds[place[pairs.i], place[pairs.j]], len(self.species), 0
        for made in (
            pair_terms(pairs, kind, self.starts),
            density_terms(pairs, place, elements),
            angular_terms(pairs, place, elements),
        ):
            for term in made:
                size = term.atomic.shape[1]
                yield slice(column, column + size), term
                column += size
