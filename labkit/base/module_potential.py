"""Any torch module or function of positions as a potential."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from labkit.base.neighbours import Neighbours
from labkit.base.potential import Evaluation, Potential
from labkit.base.state import State
from labkit.base.system import System
from labkit.errors import LabkitError
from labkit.units import EV


class ModulePotential(Potential):
    """E = unit · module(positions), for modules that know their atoms and need only positions (n, 3) Å.

    unit      eV of the module's unit of energy, such as labkit.units.KCAL_PER_MOL
    batched   False: called with the positions (n, 3) of one system after another, returns a scalar; True: called once
              with (S, n, 3), which requires systems of one size, and returns (S,)

    A module with parameters receives positions in their dtype. A model that needs atomic numbers, the cell or
    neighbours should subclass Potential, which also has a stress. Raises LabkitError for a result of another shape, for
    one that torch cannot differentiate, and if a stress is requested.

    >>> from ase.build import molecule
    >>> spring = ModulePotential(lambda positions: (positions[1] - positions[0]).square().sum())
    >>> tuple(spring.evaluate(State.from_atoms(molecule("H2"))).forces.shape)
    (2, 3)
    """

    cutoff = 0.0

    def __init__(self, module: Callable[[Tensor], Tensor], unit: float = EV, *, batched: bool = False) -> None:
        super().__init__()
        if not callable(module):
            raise LabkitError(f"ModulePotential: {module!r} cannot be called; give a torch module or a function")
        self.module, self.unit, self.batched = module, float(unit), batched

    def evaluate(self, state: State, *, stress: bool = False, **wanted: Any) -> Evaluation:
        if stress:
            raise LabkitError(
                f"ModulePotential({self._name}): a function of positions alone has no stress, because it may "
                "contain a hidden cell; subclass Potential, whose energy receives the cell"
            )
        return super().evaluate(state, **wanted)

    def energy(self, system: System, positions: Tensor, cell: Tensor, neighbours: Neighbours) -> Tensor:
        parameter = next(self.parameters(), None)
        where = positions if parameter is None else positions.to(parameter.dtype)
        if self.batched:
            found = self._checked(self.module(by_system(system, where, self._name)), system.n_systems)
        else:
            found = torch.cat([self._checked(self.module(part), 1) for part in where.split(system.counts.tolist())])
        if positions.requires_grad and torch.is_grad_enabled() and not found.requires_grad:
            raise LabkitError(
                f"ModulePotential({self._name}): the energy is not computed from the positions by torch operations, so "
                "it has no forces; remove .detach(), .numpy() and torch.no_grad(), or use TorchmdPotential"
            )
        return self.unit * found.to(positions.dtype)

    def _checked(self, energy: Tensor, count: int) -> Tensor:
        if not isinstance(energy, Tensor) or energy.numel() != count or energy.dim() > 2:
            shape = tuple(energy.shape) if isinstance(energy, Tensor) else type(energy).__name__
            expected = f"one energy for each of {count} systems" if self.batched else "one number for a system"
            raise LabkitError(f"ModulePotential({self._name}): returned {shape}, expected {expected}")
        return energy.reshape(count)

    @property
    def _name(self) -> str:
        is_module = isinstance(self.module, nn.Module)
        return type(self.module).__name__ if is_module else getattr(self.module, "__name__", "function")


def by_system(system: System, values: Tensor, name: str) -> Tensor:
    """Values (n, 3) as (S, n / S, 3); raises LabkitError, naming the caller, for systems of different sizes."""
    counts = system.counts.tolist()
    if len(set(counts)) > 1:
        raise LabkitError(
            f"{name}: needs replicas of one size, but the batch has systems of {min(counts)} to {max(counts)} atoms; "
            "run them one after another"
        )
    return values.reshape(len(counts), counts[0], 3)
