"""Spreads that a network predicts by outputs of its own."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

import torch
from torch import Tensor

from labkit.active.uncertainties.parts import followed, networks_of
from labkit.active.uncertainty import Spread, in_quadrature
from labkit.base import Evaluation, Potential, State
from labkit.errors import LabkitError
from labkit.neural import Variances
from labkit.neural.heads import Head


class PredictedSpread(ABC):
    """Square roots of the variances that a network's head predicts: σ_E [eV] per system, √3 σ_F [eV/Å] per atom.

    σ_F is that of each component of a force, so that √3 σ_F is √(σ_x² + σ_y² + σ_z²), as in other kinds. Fitted to the
    errors of training frames, not scaled to those of others: not calibrated. Costs less than an evaluation.
    """

    head: ClassVar[type[Head]]
    name: ClassVar[str]

    def __init__(self, potential: Potential) -> None:
        kind = type(self).__name__
        self.networks = networks_of(potential, kind)
        for network in self.networks:
            if not isinstance(network.network.head, self.head):
                raise LabkitError(
                    f"{kind}: the head is {network.config.head!r}, which does not predict this; train a potential with "
                    f"head={self.name!r}"
                )

    def wanted(self, variances: Variances) -> tuple[Tensor, Tensor]:
        """Variances of energies (S,) and of components of forces (n,)."""
        return variances.energy, variances.forces

    def __call__(self, state: State, evaluation: Evaluation | None = None) -> Spread:
        """The spread at a state; the networks are evaluated here, without derivatives."""
        system, dtype, spreads = state.system, state.positions.dtype, []
        for potential in self.networks:
            with torch.set_grad_enabled(followed(state)):
                outputs = potential.features(state)[0] @ potential.network.last.weight.detach().T
                energy, forces = self.wanted(potential.network.head.variances(outputs, system.index, system.counts))
                systems, atoms = (potential.scale * x.to(torch.float64).sqrt() for x in (energy, 3 * forces))
            spreads.append(Spread(systems.to(dtype), "eV", atoms.to(dtype), "eV/Å"))
        return in_quadrature(spreads)
