"""Potentials computed by other programs, without gradients of their results; objects with TorchMD's `calculate`."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from labkit.base.module_potential import by_system
from labkit.base.neighbours import Neighbours
from labkit.base.potential import Evaluation, Potential
from labkit.base.state import State
from labkit.base.system import System
from labkit.errors import LabkitError
from labkit.units import KCAL_PER_MOL


class ExternalPotential(Potential):
    """Base class of potentials whose energies and forces torch cannot differentiate. A subclass writes `compute`.

    They work in dynamics, minimisers and sums. Raises LabkitError for what they do not have: gradients of forces
    (create_graph) and energies per atom.
    """

    cutoff = 0.0

    def compute(self, state: State, *, forces: bool, stress: bool) -> Evaluation:
        """Energies (S,) eV, forces (n, 3) eV/Å and stresses (S, 3, 3) eV/Å^3, the last two if requested."""
        raise NotImplementedError

    def evaluate(
        self,
        state: State,
        *,
        forces: bool = True,
        stress: bool = False,
        per_atom: bool = False,
        create_graph: bool = False,
        neighbours: Neighbours | None = None,
    ) -> Evaluation:
        """As for any potential; the external program finds neighbours itself."""
        if create_graph:
            raise LabkitError(
                f"{self.name}: its forces come from an external program and cannot be differentiated "
                "(create_graph); run under torch.no_grad(), as simulate() does, or write it as a Potential"
            )
        if per_atom:
            raise LabkitError(f"{self.name}: has no energies per atom")
        if stress:
            state.check_volume()
        with torch.no_grad():
            return self.compute(state, forces=forces, stress=stress)

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        follow = torch.is_grad_enabled() and (positions.requires_grad or cell.requires_grad)
        state = State(system, positions, cell, torch.zeros_like(positions))
        return self.evaluate(state, forces=False, create_graph=follow).energy

    @property
    def name(self) -> str:
        """The name used in errors."""
        return type(self).__name__


class HasCalculate(Protocol):
    """What TorchMD calls an external potential."""

    def calculate(self, pos: Tensor, box: Tensor) -> tuple[Tensor, Tensor]: ...


class TorchmdPotential(ExternalPotential):
    """An object with TorchMD's `calculate(pos, box) -> (energy, forces)`; all replicas of a batch in one call.

    external  receives pos (S, n, 3) Å and box (S, 3, 3) Å, returns energies (S,) or (S, 1) and forces (S, n, 3)
    unit      eV of its unit of energy; forces are in that unit per Å
    dtype     of pos and box, by default that of the state

    Its forces are used unchanged, and it has no stress. Raises LabkitError for results of other shapes and for a
    batch of systems of different sizes.

    >>> class Wells:
    ...     def calculate(self, pos, box):
    ...         return pos.square().sum((1, 2)), -2 * pos
    >>> potential = TorchmdPotential(Wells())
    """

    dtype: torch.dtype | None = None

    def __init__(self, external: HasCalculate, unit: float = KCAL_PER_MOL, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        if not callable(getattr(external, "calculate", None)):
            raise LabkitError(f"TorchmdPotential: {type(external).__name__} has no method calculate(pos, box)")
        self.external, self.unit, self.dtype = external, float(unit), dtype

    def compute(self, state: State, *, forces: bool, stress: bool) -> Evaluation:
        if stress:
            raise LabkitError(
                f"{self.name}: TorchMD's calculate(pos, box) returns no stress; run at constant volume, or write it as "
                "a Potential, whose energy receives the cell"
            )
        like, system = state.positions, state.system
        # copies: the object may keep or change its arguments
        pos = by_system(system, like.detach(), self.name).clone().to(self.dtype or like.dtype)
        energy, found = self.external.calculate(pos, state.cell.detach().clone().to(pos.dtype))
        energy = self._checked("energy", energy, system.n_systems, f"({system.n_systems},)", like)
        found = self._checked("forces", found, like.numel(), tuple(pos.shape), like)
        return Evaluation(energy.reshape(-1), found.reshape(-1, 3) if forces else None)

    def _checked(self, what: str, value: Any, count: int, expected: Any, like: Tensor) -> Tensor:
        tensor = torch.as_tensor(value).detach().to(like)
        if tensor.numel() != count:
            raise LabkitError(f"{self.name}: {what} of shape {tuple(tensor.shape)}, expected {expected}")
        return self.unit * tensor

    @property
    def name(self) -> str:
        return f"TorchmdPotential({type(self.external).__name__})"
