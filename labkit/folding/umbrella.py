"""Umbrellas: a harmonic bias on a collective variable of beads, one for each replica of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkit.base import Compiled, Neighbours, Potential, State, System
from labkit.config import compiler
from labkit.errors import LabkitError
from labkit.folding.variables import BeadVariable


class Umbrella(Potential):
    """E_s = ½ k_s (ξ(R_s) - c_s)² of the beads R_s = r[atoms] of replica s.

    variable   ξ, such as NativeContacts or Rmsd
    atoms      (m,) atoms at the beads, as indices within a replica
    centres    c (S,), stiffness k (S,) eV (per square of the variable's unit); 0 for none

    The bias depends only on the beads, so the distribution of the atoms given the beads is unchanged: mean
    forces on the beads, without the bias, are those of the unbiased system. Add it to a force field:
    `forcefield.repeat(S) + Umbrella(...)`; ReplicaExchange(..., hamiltonians=True) exchanges between the windows.

    Raises LabkitError for another number of replicas, or replicas without these atoms.
    """

    cutoff = 0.0

    def __init__(self, variable: BeadVariable, atoms: Any, centres: Any, stiffness: Any) -> None:
        super().__init__()
        self.variable = variable
        self.register_buffer("atoms", torch.as_tensor(atoms, dtype=torch.int64))
        self.register_buffer("centres", torch.as_tensor(centres, dtype=torch.float64).reshape(-1))
        self.register_buffer("stiffness", torch.as_tensor(stiffness, dtype=torch.float64).expand(len(self.centres)))
        if self.atoms.dim() != 1:
            raise LabkitError(
                f"Umbrella: atoms of shape {tuple(self.atoms.shape)}, expected ({variable.n_beads},), those of one "
                "replica"
            )
        if len(self.atoms) != variable.n_beads:
            raise LabkitError(f"Umbrella: {len(self.atoms)} atoms for a variable of {variable.n_beads} beads")

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        beads = positions.index_select(0, self._flat(system).flatten()).view(len(self.centres), -1, 3)
        return 0.5 * self.stiffness.to(beads) * (self.variable(beads) - self.centres.to(beads)) ** 2

    def compiled(self, state: State) -> Compiled | None:
        if not compiler():
            return None
        flat, centres, stiffness = self._flat(state.system).numpy(), self.centres.numpy(), self.stiffness.numpy()
        gradients = np.empty((*flat.shape, 3))

        def compute(positions: np.ndarray, forces: np.ndarray) -> np.ndarray:
            away = self.variable.compute(positions[flat], gradients) - centres
            forces[:] = 0.0
            forces[flat] = -(stiffness * away)[:, None, None] * gradients
            return 0.5 * stiffness * away**2

        return compute

    def _flat(self, system: System) -> Tensor:
        """Beads of each replica in the batch, (S, m)."""
        counts = system.counts
        if len(counts) != len(self.centres) or int(counts.min()) <= int(self.atoms.max()):
            raise LabkitError(
                f"Umbrella: {len(self.centres)} windows on atoms up to {int(self.atoms.max())}, but the state has "
                f"{len(counts)} systems of {int(counts.min())} atoms or more; expected a window for each replica"
            )
        return (counts.cumsum(0) - counts)[:, None] + self.atoms
