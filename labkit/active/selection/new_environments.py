"""NewEnvironments: the frames whose atoms bring the most new environments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy.linalg import solve_triangular

from labkit.active.selection.atoms_of_species import AtomsOfSpecies
from labkit.active.selection.greedy_determinant import check_ridge
from labkit.active.selection.pool import Pool
from labkit.active.selection.rule import SelectionRule
from labkit.errors import LabkitError


@dataclass(frozen=True)
class NewEnvironments(SelectionRule):
    """Frames chosen by their atoms, each species by itself; the mean over a frame would hide one odd atom.

    by     "determinant": each next frame adds most to Σ_s ln det(λI + Σ x xᵀ), over known and taken atoms of species s.
           "distance": it has the atom farthest from all known and taken atoms of its species; atoms of a species of
           which none is known count from the mean of their species until one is taken
    ridge  λ relative to the mean square of a component of the species' vectors

    The memory is 8 Σ_s n_s² bytes for each frame with n_s atoms of species s, 80 kB for 100 of one species. Vectors and
    species of atoms of known frames are `known_atoms` and `known_species` of the pool.
    Source: D-optimal by atoms: Podryabinkin and Shapeev, Comput. Mater. Sci. 140, 171 (2017).

    >>> atoms = [np.array([[1.0, 0.0]] * 2), np.array([[1.0, 0.0], [0.0, 1.0]])]
    >>> pool = Pool(n_atoms=[2, 2], atom_features=atoms, species=[[8, 8], [8, 8]])
    >>> NewEnvironments().choose(pool, 1).indices.tolist()
    [1]
    """

    needs: ClassVar[frozenset[str]] = frozenset({"atom_features", "species"})
    by: Literal["determinant", "distance"] = "determinant"
    ridge: float = 1e-6

    def __post_init__(self) -> None:
        check_ridge(self.ridge, type(self).__name__)
        if self.by not in ("determinant", "distance"):
            raise LabkitError(f"NewEnvironments: by is {self.by!r}; expected 'determinant' or 'distance'")

    def pick(self, pool: Pool, n: int, seed: int) -> tuple[np.ndarray, Sequence[str]]:
        species = AtomsOfSpecies.of(pool)
        if self.by == "distance":
            order, far, left = _by_distance(species, len(pool), n)
            phrases = [
                f"its most unusual atom is {x:.3g} from known ones, the last one taken had {far[-1]:.3g}" for x in left
            ]
            for k, x in zip(order, far):
                phrases[k] = f"an atom is {x:.3g} from all known ones of its species"
        else:
            order, gains, left = _by_determinant([x.whitened(self.ridge) for x in species], len(pool), n)
            phrases = [f"its atoms would add {x:.3g} to ln det, the last one taken added {gains[-1]:.3g}" for x in left]
            for k, gain in zip(order, gains):
                phrases[k] = f"its atoms add {gain:.3g} to ln det"
        return np.array(order, dtype=np.int64), phrases


def _by_determinant(species: list[AtomsOfSpecies], frames: int, n: int) -> tuple[list[int], list[float], np.ndarray]:
    """Greedy choice, the gain of each, and what the others would add at the end.

    A⁻¹ and, for each frame, 1 + X A⁻¹ Xᵀ of its atoms X are kept, whose ln det is the gain.
    """
    inverse, sizes = [np.eye(x.rows.shape[1]) for x in species], [x.by_size() for x in species]
    grams = [[np.eye(a.shape[1]) + x.rows[a] @ x.rows[a].mT for _, a in some] for x, some in zip(species, sizes)]
    order: list[int] = []
    added: list[float] = []
    while True:
        gains = np.zeros(frames)
        for some, those in zip(sizes, grams):
            for (which, _), gram in zip(some, those):
                gains[which] += np.linalg.slogdet(gram)[1]
        if len(order) == n:
            return order, added, gains
        k = int(np.where(np.isin(np.arange(frames), order), -np.inf, gains).argmax())
        order.append(k)
        added.append(float(gains[k]))
        for x, matrix, some, those in zip(species, inverse, sizes, grams):
            if not len(block := x.block(k)):
                continue
            spread = matrix @ block.T
            lower = np.linalg.cholesky(np.eye(len(block)) + block @ spread)
            half = solve_triangular(lower, spread.T, lower=True)
            matrix -= half.T @ half
            moved = x.rows @ half.T
            for (_, atoms), gram in zip(some, those):
                gram -= moved[atoms] @ moved[atoms].mT


def _by_distance(species: list[AtomsOfSpecies], frames: int, n: int) -> tuple[list[int], list[float], np.ndarray]:
    """Greedy choice, the largest distance of an atom of each when it was taken, and those of all frames at the end."""
    nearest, fresh = [x.start() for x in species], [x.known is None for x in species]
    order: list[int] = []
    far: list[float] = []
    while True:
        of_frames = np.max([x.largest(d, frames) for x, d in zip(species, nearest)], axis=0)
        left = of_frames.copy()
        of_frames[order] = -np.inf
        if len(order) == n:
            return order, far, left
        k = int(of_frames.argmax())
        order.append(k)
        far.append(float(of_frames[k]))
        for s, x in enumerate(species):
            if len(block := x.block(k)):
                new = x.to_block(block)
                nearest[s] = new if fresh[s] else np.minimum(nearest[s], new)
                fresh[s] = False
