"""Bonded terms by compiled kernels: bonds, angles, torsions of the three kinds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from labkit.base import State
from labkit.forcefield.angles import HarmonicAngles
from labkit.forcefield.bonds import HarmonicBonds, UreyBradley
from labkit.forcefield.term import Term
from labkit.forcefield.torsions import HarmonicImpropers, RyckaertBellemans, Torsions

KINDS = (HarmonicBonds, UreyBradley, HarmonicAngles, Torsions, RyckaertBellemans, HarmonicImpropers)
NONE = np.empty(0)


class CompiledBonded:
    """Energy, forces and dE/dstrain of all bonded terms that do not look for nearest images."""

    def __init__(self, terms: Iterable[Term]) -> None:
        self.terms = tuple(t for t in terms if type(t) in KINDS and not t.periodic and len(t.atoms))

    def __call__(self, state: State) -> tuple[Tensor, Tensor, Tensor]:
        """(S,) eV, (n, 3) eV/Å, (S, 3, 3) eV."""
        from labkit.forcefield.kernels import bonded

        r, index = state.positions.detach().numpy(), state.system.index.numpy()
        energy, forces = np.zeros(state.system.n_systems), np.zeros_like(r)
        virial = np.zeros((len(energy), 3, 3))
        out = (r, index, energy, forces, virial)
        for term in self.terms:
            values = [getattr(term, key).detach().numpy() for key in term.VALUES]
            atoms = term.atoms.numpy()
            if isinstance(term, HarmonicBonds):
                bonded.bonds(atoms, *values, *out)
            elif isinstance(term, HarmonicAngles):
                bonded.angles(atoms, *values, *out)
            elif isinstance(term, Torsions):
                bonded.torsions(bonded.COSINE, atoms, values[0], values[1], values[2][:, None], *out)
            elif isinstance(term, RyckaertBellemans):
                bonded.torsions(bonded.RYCKAERT_BELLEMANS, atoms, NONE, NONE, values[0], *out)
            else:
                bonded.torsions(bonded.HARMONIC, atoms, *values, NONE[:, None], *out)
        return torch.from_numpy(energy), torch.from_numpy(forces), torch.from_numpy(-virial)

    def reset(self) -> None:
        """Nothing is kept."""
