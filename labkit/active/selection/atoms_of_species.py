"""AtomsOfSpecies: the vectors of all atoms of one species in a pool, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from labkit.active.selection.distances import to_nearest
from labkit.active.selection.pool import Pool


@dataclass(frozen=True, eq=False)
class AtomsOfSpecies:
    """Vectors `rows` (n, d) of the atoms of one species, in the order of the frames.

    frame   (n,) the frame of each
    first   (P + 1,) where the atoms of each frame begin
    known   (K, d) vectors of known atoms of the species, or None if there are none
    """

    rows: np.ndarray
    frame: np.ndarray
    first: np.ndarray
    known: np.ndarray | None

    @classmethod
    def of(cls, pool: Pool) -> list[AtomsOfSpecies]:
        """Those of each species of a pool."""
        rows = np.concatenate(pool.atom_features).astype(np.float64)
        kinds, frame = np.concatenate(pool.species), np.repeat(np.arange(len(pool)), pool.n_atoms)
        found = []
        for kind in np.unique(kinds):
            some = np.flatnonzero(kinds == kind)
            known = None
            if pool.known_atoms is not None and pool.known_species is not None:
                mine = pool.known_atoms[np.asarray(pool.known_species) == kind]
                known = mine if len(mine) else None
            first = np.searchsorted(frame[some], np.arange(len(pool) + 1))
            found.append(cls(rows[some], frame[some], first, known))
        return found

    def block(self, k: int) -> np.ndarray:
        """The vectors of the atoms in a frame."""
        return self.rows[self.first[k] : self.first[k + 1]]

    def by_size(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Frames (G,) with equally many atoms m of the species, and the numbers (G, m) of these; for each m > 0."""
        counts = np.diff(self.first)
        found = [(np.flatnonzero(counts == m), m) for m in np.unique(counts[counts > 0])]
        return [(which, self.first[which][:, None] + np.arange(m)) for which, m in found]

    def whitened(self, ridge: float) -> AtomsOfSpecies:
        """With vectors L⁻¹x, LLᵀ = λI + Σ x xᵀ over known atoms; λ is `ridge` times a component's mean square."""
        gram = ridge * (float(np.mean(self.rows**2)) or 1.0) * np.eye(self.rows.shape[1])
        if self.known is not None:
            gram += self.known.T @ self.known
        lower = np.linalg.cholesky(gram)
        return replace(self, rows=np.ascontiguousarray(solve_triangular(lower, self.rows.T, lower=True).T), known=None)

    def start(self) -> np.ndarray:
        """Distances (n,) to the nearest known atom, or to the mean if none is known."""
        if self.known is None:
            return np.linalg.norm(self.rows - self.rows.mean(axis=0), axis=1)
        return to_nearest(self.rows, self.known)[0]

    def to_block(self, block: np.ndarray) -> np.ndarray:
        """Distances (n,) to the nearest of a few atoms."""
        square = np.einsum("nd,nd->n", self.rows, self.rows)
        other = np.einsum("nd,nd->n", block, block)
        return np.sqrt(np.maximum(square + (other - 2 * (self.rows @ block.T)).min(axis=1), 0.0))

    def largest(self, values: np.ndarray, frames: int) -> np.ndarray:
        """The largest value (P,) among the atoms of each frame; -1 for a frame without atoms of the species."""
        found = np.full(frames, -1.0)
        np.maximum.at(found, self.frame, values)
        return found
