"""Pair terms with a compiled kernel of their own: implicit solvent, and Lennard-Jones by pairs of kinds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from labkit.base import State
from labkit.forcefield.compiled import CompiledPairs
from labkit.forcefield.generalized_born import NECK_REACH, PROBE, GeneralizedBorn
from labkit.forcefield.nbfix import Nbfix
from labkit.forcefield.term import Term
from labkit.units import COULOMB

Found = tuple[Tensor, Tensor, Tensor]


def own_kernels(terms: Sequence[Term], skin: float) -> list[CompiledPairs]:
    """Those of the terms that have one."""
    kinds = {GeneralizedBorn: CompiledBorn, Nbfix: CompiledNbfix}
    return [kinds[type(term)]([term], skin) for term in terms if type(term) in kinds]


class CompiledBorn(CompiledPairs):
    """Energy, forces and dE/dstrain of implicit solvent."""

    def __call__(self, state: State) -> Found:
        """(S,) eV, (n, 3) eV/Å, (S, 3, 3) eV."""
        from labkit.forcefield.kernels.born import born

        term: GeneralizedBorn = self.terms[0]
        positions, cells = state.positions.detach().numpy(), state.cell.detach().numpy()
        pairs, index = self._pairs(state, positions, cells)
        charges, radii, screen, shape = (getattr(term, key).detach().numpy() for key in term.VALUES)
        rho = radii - term.offset
        table = term.depth.numpy(), term.distance.numpy()
        if not term.necks:
            table = np.empty((0, 0)), np.empty((0, 0))
        cutoff = np.inf if term.reach is None else term.reach
        energy, forces, virial = born(
            positions, cells, index, pairs.first, pairs.j, pairs.shift, charges * COULOMB**0.5, radii, rho,
            screen * rho, shape, term.saturating, term.kinds.numpy(), *table, NECK_REACH, float(term.neck_scale),
            1 / term.solute_dielectric, 1 / term.solvent_dielectric, float(term.kappa), cutoff**2, 1 / cutoff,
            4 * np.pi * term.surface_tension, PROBE,
        )  # fmt: skip
        return torch.from_numpy(energy), torch.from_numpy(forces), torch.from_numpy(-virial)


class CompiledNbfix(CompiledPairs):
    """Energy, forces and dE/dstrain of Lennard-Jones by pairs of kinds, without its long-range correction."""

    def __call__(self, state: State) -> Found:
        """(S,) eV, (n, 3) eV/Å, (S, 3, 3) eV."""
        from labkit.forcefield.kernels.nbfix import nbfix

        term: Nbfix = self.terms[0]
        positions, cells = state.positions.detach().numpy(), state.cell.detach().numpy()
        pairs, index = self._pairs(state, positions, cells)
        cutoff = np.inf if term.reach is None else term.reach
        energy, forces, virial = nbfix(
            positions, cells, index, pairs.first, pairs.j, pairs.shift, term.kinds.numpy(),
            term.repulsive.detach().numpy(), term.attractive.detach().numpy(),
            np.inf if term.switch is None else term.switch, cutoff,
        )  # fmt: skip
        return torch.from_numpy(energy), torch.from_numpy(forces), torch.from_numpy(-virial)
