"""The fast path of a force field on the CPU: pairs by compiled kernels (numba), everything else by autograd."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from labkit.base import State
from labkit.config import config
from labkit.forcefield.coulomb import Coulomb
from labkit.forcefield.lennard_jones import LennardJones
from labkit.forcefield.pair_term import PairTerm
from labkit.forcefield.pme import Pme
from labkit.forcefield.term import Term
from labkit.units import COULOMB

NONE = np.empty(0)


def available() -> bool:
    """True where numba is installed; without it everything goes by autograd, slower and the same."""
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


class CompiledPairs:
    """Energy, forces and dE/dstrain of one Lennard-Jones term, one electrostatic term, or both in one pass.

    The list of pairs reaches `skin` [Å] beyond the cutoff, and is found again when atoms, or the cell, may have moved a
    pair from outside to within it.
    """

    def __init__(self, terms: Sequence[PairTerm], skin: float) -> None:
        self.terms, self.skin, self.builds = tuple(terms), skin, 0
        self.cutoff = terms[0].reach
        self._kept: tuple | None = None

    @staticmethod
    def groups(terms: Sequence[Term], skin: float) -> list[CompiledPairs]:
        """Pair terms that can share a list: the same exclusions and cutoff, one of each kind."""
        found: list[list[PairTerm]] = []
        for term in terms:
            if type(term) not in (LennardJones, Coulomb, Pme):
                continue
            for group in found:
                charges, other = isinstance(term, LennardJones), isinstance(group[0], LennardJones)
                if len(group) == 1 and charges != other and _share(group[0], term):
                    group.append(term)
                    break
            else:
                found.append([term])
        return [CompiledPairs(group, skin) for group in found]

    def __call__(self, state: State) -> tuple[Tensor, Tensor, Tensor]:
        """(S,) eV, (n, 3) eV/Å, (S, 3, 3) eV."""
        from labkit.forcefield.kernels.nonbonded import nonbonded

        positions, cells = state.positions.detach().numpy(), state.cell.detach().numpy()
        pairs, index = self._pairs(state, positions, cells)
        arguments = _parameters(self.terms)
        energy, forces, virial = nonbonded(
            config().threads, positions, cells, index, pairs.first, pairs.j, pairs.shift, *arguments
        )
        return torch.from_numpy(energy), torch.from_numpy(forces), torch.from_numpy(-virial)

    def reset(self) -> None:
        """Forget the list of pairs."""
        self._kept = None

    def _pairs(self, state: State, positions: np.ndarray, cells: np.ndarray):
        from labkit.forcefield.kernels.pairlist import exclusion_table, pair_list

        kept = self._kept
        if kept is None or kept[0] is not state.system or self._outdated(kept, positions, cells):
            self.terms[0].check(state.system)
            table = exclusion_table(self.terms[0].exclusions.numpy(), state.system.n_atoms)
            reach = None if self.cutoff is None else self.cutoff + self.skin
            pairs = pair_list(state.system, positions, cells, reach, table)
            far = float(np.abs(pairs.shift).sum(1).max()) if reach is not None and len(pairs.shift) else 0.0
            index = state.system.index.numpy()
            kept = self._kept = (state.system, pairs, index, positions.copy(), cells.copy(), far)
            self.builds += 1
        return kept[1], kept[2]

    def _outdated(self, kept: tuple, positions: np.ndarray, cells: np.ndarray) -> bool:
        if self.cutoff is None:
            return False
        _, _, _, then, box, far = kept
        moved = np.sqrt(np.square(positions - then).sum(1).max())
        stretched = far * np.linalg.norm(cells - box, axis=(1, 2)).max()
        return not 2 * moved + stretched <= self.skin  # so that NaN is outdated


def _share(one: PairTerm, other: PairTerm) -> bool:
    return one.reach == other.reach and torch.equal(one.exclusions, other.exclusions)


def _parameters(terms: Sequence[PairTerm]) -> tuple:
    from labkit.forcefield.kernels.nonbonded import EWALD, PLAIN, REACTION_FIELD

    lj = next((t for t in terms if isinstance(t, LennardJones)), None)
    charged = next((t for t in terms if not isinstance(t, LennardJones)), None)
    first: tuple = (False, NONE, NONE, 0.0, -1.0, 1.0)
    if lj is not None:
        cutoff = np.inf if lj.reach is None else lj.reach
        root = lj.root_epsilon.detach().numpy()
        first = (True, lj.sigma.detach().numpy(), root, cutoff**2, -1.0 if lj.switch is None else lj.switch, cutoff)
    second: tuple = (NONE, PLAIN, 0.0, 0.0, 0.0, 0.0)
    if charged is not None:
        cut2 = np.inf if charged.reach is None else charged.reach**2
        charges = charged.charges.detach().numpy() * COULOMB**0.5
        if isinstance(charged, Pme):
            second = (charges, EWALD, cut2, 0.0, 0.0, charged.alpha)
        else:
            second = (charges, REACTION_FIELD, cut2, *charged.reaction_field, 0.0)
    return first + second
