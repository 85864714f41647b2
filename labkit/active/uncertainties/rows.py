"""Spreads over several last layers on one network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from torch import Tensor

from labkit.active.uncertainties.parts import PerAtom, check_per_atom, followed, networks_of
from labkit.active.uncertainty import Spread, in_quadrature
from labkit.base import Evaluation, Potential, State
from labkit.neural import NeuralPotential, evaluate_members


class RowSpread(ABC):
    """Standard deviations over K last layers on one network, with K - 1 in the denominator; not calibrated.

    Per system: that of the energy [eV]. Per atom, depending on `per_atom`: "forces" √(σ_x² + σ_y² + σ_z²) of the force,
    eV/Å; "energies" that of the energy of the atom, eV, a score, which costs less than an evaluation.
    """

    def __init__(self, potential: Potential, *, per_atom: PerAtom = "forces") -> None:
        check_per_atom(per_atom, type(self).__name__)
        self.networks, self.per_atom = networks_of(potential, type(self).__name__), per_atom
        for network in self.networks:
            self.rows(network)  # refuses a network without them

    @abstractmethod
    def rows(self, network: NeuralPotential) -> Tensor:
        """Weights (K, F) of the last layers. Raises LabkitError for a network that has none."""

    def __call__(self, state: State, evaluation: Evaluation | None = None) -> Spread:
        """The spread at a state; networks are evaluated here."""
        forces, dtype = self.per_atom == "forces", state.positions.dtype
        spreads = []
        for network in self.networks:
            found = members(network, self.rows(network), state, forces=forces)
            of_atoms = found.forces.std(0).norm(dim=1) if forces else found.per_atom.std(0)
            unit = "eV/Å" if forces else "eV"
            spreads.append(Spread(found.energy.std(0).to(dtype), "eV", of_atoms.to(dtype), unit))
        return in_quadrature(spreads)


def members(network: NeuralPotential, rows: Tensor, state: State, *, forces: bool) -> Evaluation:
    """Energies (K, S), per_atom (K, n) and, if requested, forces (K, n, 3) of K last layers (K, F) on one network.

    Differentiable if the positions require gradients; otherwise without a graph, which is several times faster.
    """
    if not followed(state):
        return evaluate_members(network, state, rows, forces=forces).members
    near = replace(network.neighbours(state), dtype=network.dtype)
    features = network.features(state, near)[0]
    lone = network.e0.index_select(0, network.species_of(state.system))
    of_atoms = (features @ rows.to(features.dtype).T).to(torch.float64).T * network.scale + lone
    energy = of_atoms.new_zeros(len(rows), state.system.n_systems).index_add(1, state.system.index, of_atoms)
    pull = torch.stack([_force(one, state.positions) for one in energy]) if forces else None
    return Evaluation(energy, pull, None, of_atoms)


def _force(energy: Tensor, positions: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(energy.sum(), positions, create_graph=True, allow_unused=True)
    return torch.zeros_like(positions) if gradient is None else -gradient
