"""Lennard-Jones and electrostatics with the compiled pair kernel and a pair list that is reused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from labkit.base import State, System
from labkit.base.lattice import lattices_of
from labkit.config import config
from labkit.forcefield.fast.arrays import array_of
from labkit.forcefield.terms.coulomb import Coulomb
from labkit.forcefield.terms.lennard_jones import LennardJones
from labkit.forcefield.terms.pair_term import PairTerm
from labkit.forcefield.terms.pme import Pme
from labkit.forcefield.terms.term import Term
from labkit.units import COULOMB

if TYPE_CHECKING:
    from labkit.forcefield.fast.kernels.clusters import Clusters

#: Å by which the list extends beyond the cutoff: a wider list is built less often, but has more pairs that do not count
SKIN = 1.0
LOST = 1e8  # Å; a position beyond it makes the energy NaN


class Kept(NamedTuple):
    """A pair list, and what it was built for.

    numbers  (S, 3, 3) of cell vectors in those of the reduced cells, in which the clusters are
    images   (e, 3) cells by which the second atom of each excluded pair is moved to its nearest image
    slack    (S,) Å by which the atoms of an excluded pair may move without another image becoming the nearest
    """

    system: System
    clusters: Clusters
    positions: np.ndarray
    cells: np.ndarray
    numbers: np.ndarray
    images: np.ndarray
    slack: np.ndarray

    def boxes(self, cells: np.ndarray) -> np.ndarray:
        """The cells (S, 3, 3) Å reduced as those of the list."""
        return cells if (self.numbers == np.eye(3)).all() else self.numbers @ cells


class CompiledPairs:
    """One Lennard-Jones term, one electrostatic term, or both in one pass.

    The pair list extends SKIN beyond the cutoff; that of a system is built again when its atoms, or its cell, may have
    moved a missing pair to within the cutoff, and when another image of an excluded pair has become the nearest.
    Without a cutoff, each pair of a periodic system is at its nearest image, found at every step. `real`: the precision
    of a pair; sums are in float64.
    """

    _kinds: np.ndarray | None = None  # (n,); a list of all pairs places atoms of one kind together

    def __init__(self, terms: Sequence[PairTerm], real: type = np.float64) -> None:
        self.real = real
        self.terms, self.builds = tuple(terms), 0
        self.cutoff = terms[0].reach
        self._kept: Kept | None = None

    @staticmethod
    def groups(terms: Sequence[Term], real: type = np.float64) -> list[CompiledPairs]:
        """Pair terms that can share a list: the same exclusions and cutoff, one of each kind."""
        found: list[list[PairTerm]] = []
        for term in terms:
            if term.kind not in (LennardJones, Coulomb, Pme):
                continue
            for group in found:
                charges, other = isinstance(term, LennardJones), isinstance(group[0], LennardJones)
                if len(group) == 1 and charges != other and _share(group[0], term):
                    group.append(term)
                    break
            else:
                found.append([term])
        return [CompiledPairs(group, real) for group in found]

    def begin(self, state: State) -> None:
        from labkit.forcefield.fast.kernels.clusters import exclusion_table
        from labkit.forcefield.fast.kernels.nonbonded import may_lack_pairs

        self._may_lack_pairs, system = may_lack_pairs, state.system
        self.terms[0].check(system)
        if self._kept is None or self._kept.system is not system:
            self._kept, self._system, self._offsets = None, system, np.array(system.offsets)
            self._index, self._pbc = system.index.numpy(), system.pbc.numpy()
            self._exclusions = array_of(self.terms[0].exclusions)
            self._table = exclusion_table(self._exclusions, system.n_atoms)
        self._read()

    def _read(self) -> None:
        self._values, self._interactions = _values(self.terms, self._system.n_atoms), _interactions(self.terms)
        self._sorted: np.ndarray | None = None

    def add(
        self, positions: np.ndarray, cells: np.ndarray, energy: np.ndarray, forces: np.ndarray, virial: np.ndarray
    ) -> None:
        outdated = None if self._kept is None else self._outdated(self._kept, positions, cells)
        if self._kept is None or (outdated is not None and outdated.any()):
            if not bool(np.abs(positions).max(initial=0.0) < LOST):  # or NaN: the loop of the run reports where
                energy += np.nan
                return
            self._find(positions, cells, outdated)
        self._add(positions, self._kept.boxes(cells), energy, forces, virial)

    def _add(self, positions: np.ndarray, cells: np.ndarray, *results: np.ndarray) -> None:
        from labkit.forcefield.fast.kernels.nonbonded import nonbonded, work_of

        clusters = self._kept.clusters
        if self._sorted is None:
            values = np.stack([by_rank(values, clusters.order) for values in self._values]).astype(self.real)
            slots = np.concatenate([values[:, clusters.slot], np.zeros((3, 16), values.dtype)], 1)
            far = [part if part is None or part is True else self.real(part) for part in self._interactions]
            self._sorted = values, slots, tuple(far)
        if self._work is None or self._work[0] != config().threads:
            self._work = config().threads, work_of(config().threads, clusters)
        energy, forces, virial = results
        nonbonded(self._work[1], positions, cells, clusters, *self._sorted, forces, energy, virial)

    def _find(self, positions: np.ndarray, cells: np.ndarray, which: np.ndarray | None) -> None:
        """Build the lists of these systems (S,), or of all."""
        from labkit.forcefield.fast.kernels.clusters import find_clusters, table_of
        from labkit.forcefield.fast.kernels.merging import exchanged

        system, kept = self._system, self._kept
        reach = None if self.cutoff is None else self.cutoff + SKIN
        numbers = lattices_of(cells, self._pbc).numbers + np.where(self._pbc[:, :, None], 0.0, np.eye(3))
        boxes, (images, slack) = numbers @ cells, self._excluded_images(positions, cells)
        if kept is None or which is None or which.all():
            clusters = find_clusters(system, positions, boxes, reach, self._table, self._kinds)
            self._kept = Kept(system, clusters, positions.copy(), cells.copy(), numbers, images, slack)
        else:
            chosen = np.flatnonzero(which)
            atoms = system.atoms_of(torch.from_numpy(chosen)).numpy()
            kinds = None if self._kinds is None else self._kinds[atoms]
            part, table = system.take(torch.from_numpy(chosen)), table_of(*self._table, atoms)
            found = find_clusters(part, positions[atoms], boxes[chosen], reach, table, kinds)
            kept.positions[atoms], kept.cells[chosen] = positions[atoms], cells[chosen]
            self._kept = kept._replace(
                clusters=exchanged(kept.clusters, found, chosen, atoms),
                numbers=np.where(which[:, None, None], numbers, kept.numbers),
                images=np.where(which[self._index[self._exclusions[:, 0]]][:, None], images, kept.images),
                slack=np.where(which, slack, kept.slack),
            )
        self._sorted = self._work = None
        self.builds += 1

    def _excluded_images(self, positions: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest images (e, 3) of the excluded pairs, and how far (S,) Å they are from another one."""
        from labkit.forcefield.fast.kernels.nearest import pair_images

        lattices, slack = lattices_of(cells, self._pbc), np.full(len(cells), np.inf)
        images, apart = pair_images(self._exclusions, positions, self._index, lattices.arrays())
        which = self._index[self._exclusions[:, 0]]
        np.minimum.at(slack, which, lattices.inside[which] - apart)
        return images, slack

    def _outdated(self, kept: Kept, positions: np.ndarray, cells: np.ndarray) -> np.ndarray | None:
        """Whether the list of each system (S,) may lack a pair or have the wrong exclusions; None if none does."""
        if self.cutoff is None:
            return self._pbc.any(1)
        found = self._lacking(kept, positions, cells)
        other = (cells != kept.cells).any((1, 2)) | (kept.slack < SKIN) if len(self._exclusions) else np.zeros(1, bool)
        if (other & np.isfinite(kept.slack)).any():
            images = self._excluded_images(positions, cells)[0]
            changed = np.zeros(len(cells), bool)
            changed[self._index[self._exclusions[(images != kept.images).any(1), 0]]] = True
            found = changed if found is None else found | changed
        return found

    def _lacking(self, kept: Kept, positions: np.ndarray, cells: np.ndarray) -> np.ndarray | None:
        """Whether the list of each system (S,) may lack a pair; None if none does."""
        then, box = kept.positions, kept.cells
        if not self._may_lack_pairs(positions, then, cells, box, self._offsets, SKIN):
            return None
        from labkit.forcefield.fast.kernels.nonbonded import two_largest_moves

        least, found = 1.0, np.empty(len(cells))
        if not (cells == box).all():
            # with the strain M = box⁻¹ cells any image of a pair is r M, plus what its atoms have moved besides
            usable = np.isfinite(cells).all((1, 2)) & (np.abs(np.linalg.det(box)) > 0) | (cells == box).all((1, 2))
            strain = np.broadcast_to(np.eye(3), cells.shape).copy()
            other = usable & (cells != box).any((1, 2))
            strain[other] = np.linalg.solve(box[other], cells[other])
            least = np.where(usable, np.linalg.svd(strain, compute_uv=False).min(1), 0.0)
            then = np.einsum("na,nab->nb", then, strain[self._index])
        two_largest_moves(positions, then, self._offsets, found)
        return ~(found <= least * (self.cutoff + SKIN) - self.cutoff)  # NaN counts as outdated


def by_rank(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Values (n, ...) of the atoms in the order of ranks, then zero for slots without an atom, (n + 1, ...)."""
    return np.concatenate([values[order], np.zeros((1, *values.shape[1:]), values.dtype)])


def _share(one: PairTerm, other: PairTerm) -> bool:
    return one.reach == other.reach and np.array_equal(one.exclusions.numpy(), other.exclusions.numpy())


def _values(terms: Sequence[PairTerm], n: int) -> np.ndarray:
    """σ, sqrt(ε) and charge (3, n) of each atom; zeros for a missing term."""
    values = np.zeros((3, n))
    for term in terms:
        if isinstance(term, LennardJones):
            values[0], values[1] = array_of(term.sigma), array_of(term.root_epsilon)
        else:
            values[2] = array_of(term.charges) * COULOMB**0.5
    return values


def _interactions(terms: Sequence[PairTerm]) -> tuple:
    """Cutoff², lj, switch, 1/width, k_rf, c_rf, alpha; None if missing."""
    cutoff = terms[0].reach
    found: list = [np.inf if cutoff is None else cutoff**2, *[None] * 6]
    for term in terms:
        if isinstance(term, LennardJones):
            found[1] = True
            if term.switch is not None:
                found[2], found[3] = term.switch, 1 / (cutoff - term.switch)
        elif isinstance(term, Pme):
            found[6] = term.alpha
        else:
            found[4], found[5] = term.reaction_field
    return tuple(found)
