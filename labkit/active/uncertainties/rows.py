"""Spreads over several last layers on one network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from torch import Tensor

from labkit.active.uncertainties.parts import PerAtom, check_per_atom, followed, networks_of
from labkit.active.uncertainty import Spread, in_quadrature
from labkit.base import Evaluation, Potential, State
from labkit.neural import NeuralPotential
from labkit.neural.networks.graph_free import evaluate_rows


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
            found = members(network, deviations(self.rows(network)), state, forces=forces)
            of_atoms = found.forces.norm(dim=(0, 2)) if forces else found.per_atom.norm(dim=0)
            unit = "eV/Å" if forces else "eV"
            spreads.append(Spread(found.energy.norm(dim=0).to(dtype), "eV", of_atoms.to(dtype), unit))
        return in_quadrature(spreads)


def deviations(rows: Tensor) -> Tensor:
    """D (K - 1, F) with DᵀD the covariance of K rows (K, F): the sum of squares over D is the variance over the rows.

    One row fewer, and so one backward pass fewer: the mean does not count.

    >>> rows = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(deviations(rows).square().sum(0), rows.var(0))), len(deviations(rows))
    (True, 4)
    """
    count = len(rows)
    start = torch.eye(count, dtype=torch.float64)
    start[:, 0] = 1.0
    contrasts = torch.linalg.qr(start).Q[:, 1:].T  # orthonormal, and orthogonal to (1, ..., 1)
    return contrasts.to(rows) @ rows / (count - 1) ** 0.5


def members(
    network: NeuralPotential, rows: Tensor, state: State, *, forces: bool, energy_rows: Tensor | None = None
) -> Evaluation:
    """Energies (K, S), per_atom (K, n) and, if requested, forces (K, n, 3) of K last layers (K, F) on one network.

    energy_rows  the last layers (L, F) whose energies are wanted, if they are others than those of the forces

    Energies of isolated atoms are left out. Differentiable if the positions require gradients; otherwise without a
    graph, which is several times faster.
    """
    of_energies = rows if energy_rows is None else energy_rows
    if followed(state):
        energy, of_atoms = _energies(network, of_energies, state)
        pulled = energy if energy_rows is None else _energies(network, rows, state)[0]
        pull = torch.stack([_force(one, state.positions) for one in pulled]) if forces else None
        return Evaluation(energy, pull, None, of_atoms)
    if not forces:
        with torch.no_grad():
            energy, of_atoms = _energies(network, of_energies, state)
        return Evaluation(energy, None, None, of_atoms)
    near = replace(network.neighbours(state), dtype=network.dtype)
    weights = [x.to(network.dtype) for x in (rows, of_energies)]
    wanted = {"forces": True, "stress": False, "per_atom": True}
    found = evaluate_rows(network, state, near, weights[0], energy_rows=weights[1], **wanted)
    lone = network.e0.index_select(0, network.species_of(state.system))
    return replace(found, energy=found.energy - state.system.sum_over_atoms(lone), per_atom=found.per_atom - lone)


def _energies(network: NeuralPotential, rows: Tensor, state: State) -> tuple[Tensor, Tensor]:
    """Energies (K, S) of systems and (K, n) of atoms."""
    features = network.features(state)[0]
    of_atoms = (features @ rows.to(features.dtype).T).to(torch.float64).T * network.scale
    energy = of_atoms.new_zeros(len(rows), state.system.n_systems).index_add(1, state.system.index, of_atoms)
    return energy, of_atoms


def _force(energy: Tensor, positions: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(energy.sum(), positions, create_graph=True, allow_unused=True)
    return torch.zeros_like(positions) if gradient is None else -gradient
