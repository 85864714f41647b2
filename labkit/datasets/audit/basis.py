"""A linear model of the energy of any system: pair functions and embedding functions, with their forces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from scipy.sparse import csr_matrix

from labkit.datasets.pairs import CUTOFF, Pairs, find_pairs

RADIAL = 12  # functions of a pair of elements
MOST = 14  # kinds of pairs with separate functions; the rarer ones share one set
DECAYS = (0.4, 0.8)  # Å, of the two embedding densities


@dataclass(frozen=True, eq=False)
class Basis:
    """E = Σ_m w_m Φ_m and F = X w, with X = -∂Φ/∂R.

    Pairs of elements ab have Φ_abk = Σ_pairs g_k(r) f_c(r): Gaussians whose centres and widths grow geometrically from
    the shortest distance to the cutoff. Elements a are embedded in two densities, Σ_i∈a ρ_i^q with
    ρ_i = Σ_j exp((1 Å - r)/d) f_c(r) and q = 1/2, 2 (as in embedded-atom models of metals).

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
        return RADIAL * len(self.starts) + 2 * len(DECAYS) * len(self.species)

    def names(self) -> str:
        """The functions of the model, in words."""
        return (
            f"{len(self.starts)} kinds of pairs × {RADIAL} radial functions and {2 * len(DECAYS)} embedding functions "
            f"for {', '.join(chemical_symbols[z] for z in self.species)}, within {CUTOFF} Å"
        )

    def rows(self, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
        """X (n, 3, p), the forces of each function, and Φ (F, p), the energies."""
        n, p = len(pairs.numbers), self.size
        forces, atomic = np.zeros((n, 3, p)), np.zeros((n, p))
        place = np.searchsorted(self.species, pairs.numbers)
        kind = self.kinds[place[pairs.i], place[pairs.j]]
        for t, start in enumerate(self.starts):
            mine = np.flatnonzero(kind == t)
            columns = slice(RADIAL * t, RADIAL * (t + 1))
            value, slope = _radial(pairs.distance[mine], start)
            to_i = csr_matrix((np.ones(len(mine)), (pairs.i[mine], np.arange(len(mine)))), shape=(n, len(mine)))
            atomic[:, columns] = 0.5 * (to_i @ value)  # every pair is listed twice
            for c in range(3):
                forces[:, c, columns] = to_i @ (pairs.unit[mine, c, None] * slope)
        self._embed(pairs, place, forces, atomic)
        return forces, np.add.reduceat(atomic, pairs.offsets[:-1], axis=0)

    def _embed(self, pairs: Pairs, place: np.ndarray, forces: np.ndarray, atomic: np.ndarray) -> None:
        n, s, column = len(pairs.numbers), len(self.species), RADIAL * len(self.starts)
        to_i = csr_matrix((np.ones(len(pairs.i)), (pairs.i, np.arange(len(pairs.i)))), shape=(n, len(pairs.i)))
        own = np.eye(s)[place]  # (n, S): functions of each element's atoms
        smooth, bend = _cutoff(pairs.distance)
        for decay in DECAYS:
            decayed = np.exp((1.0 - pairs.distance) / decay)
            slope = decayed * (bend - smooth / decay)
            density = np.maximum(to_i @ (decayed * smooth), 1e-9)
            for power in (0.5, 2.0):
                columns = slice(column, column + s)
                atomic[:, columns] = own * density[:, None] ** power
                change = own * (power * density ** (power - 1))[:, None]
                pulled = (change[pairs.i] + change[pairs.j]) * slope[:, None]  # r changes the density at both ends
                for c in range(3):
                    forces[:, c, columns] = to_i @ (pairs.unit[:, c, None] * pulled)
                column += s


def _cutoff(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half a cosine from 1 at r = 0 to 0 at the cutoff, and its slope."""
    x = np.pi * np.minimum(r, CUTOFF) / CUTOFF
    return 0.5 * (1 + np.cos(x)), -0.5 * np.pi / CUTOFF * np.sin(x)


def _radial(r: np.ndarray, start: float) -> tuple[np.ndarray, np.ndarray]:
    """Functions (P, RADIAL) and their slopes."""
    centres = np.geomspace(start, CUTOFF, RADIAL + 1)[:-1]
    widths = centres * (centres[1] / centres[0] - 1)
    x = (r[:, None] - centres) / widths
    smooth, bend = (part[:, None] for part in _cutoff(r))
    bell = np.exp(-0.5 * x**2)
    return bell * smooth, bell * (bend - smooth * x / widths)
