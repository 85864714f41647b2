"""F_ML1, F_X_ML1, F_Pair_ML1: models whose output is added to the forces."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labkit.base import Evaluation, Potential, State
from labkit.base.external_potential import ExternalPotential
from labkit.errors import LabkitError
from labkit.lammps.mlmod.blocks import Blocks, alike, pairs
from labkit.lammps.mlmod.models import ExportedModel

#: the atoms of each call: (P, k) for one size, or several of different ones
Calls = Callable[[State], list[Tensor]]

WHOLE: Calls = alike
EACH: Calls = lambda state: [torch.arange(state.system.n_atoms)[:, None]]  # noqa: E731 (a row of the table)
PAIRS: Calls = lambda state: [pairs(state)]  # noqa: E731


class Forces(ExternalPotential):
    """F += model(blocks), for the whole system, each atom or each pair i < j; there is no energy: it is reported as 0.

    A model with the input F (the forces of everything else) needs them: in LAMMPS those of all hooks before it,
    in the engine `on(potential)`. Time is that of the positions: `timestep` [fs] times the state's step, or
    aux["time"], if LAMMPS or an integrator in the middle of a step sets it.
    """

    def __init__(self, model: ExportedModel, blocks: Blocks, calls: Calls, timestep: float | None) -> None:
        super().__init__()
        self.model, self.blocks, self.calls, self.timestep = model, blocks, calls, timestep

    def compute(self, state: State, *, forces: bool, stress: bool) -> Evaluation:
        if stress:
            raise LabkitError(f"{self.name}: forces without an energy have no stress; run at constant volume")
        return Evaluation(state.positions.new_zeros(state.system.n_systems), self.forces(state) if forces else None)

    def forces(self, state: State) -> Tensor:
        """(n, 3) eV/Å."""
        acting = state.atom_aux.get("acting")
        if "F" in self.blocks.names and acting is None:
            raise LabkitError(
                f"{self.name}: mask_input names F, the forces of everything else; in the engine name the potential: "
                "model.on(potential), instead of model + potential"
            )
        time = None if self.timestep is None else self.timestep * state.step
        time = state.aux.get("time", time)
        found = torch.zeros_like(state.positions)
        for which in self.calls(state):
            if not len(which):
                continue
            rows = self.blocks.rows(state, which, time, acting)
            added = self.model(rows, 3 * which.shape[1]) * self.blocks.units.force
            found.index_add_(0, which.reshape(-1), added.reshape(-1, 3).to(found))
        return found

    def on(self, potential: Potential) -> Acting:
        """The sum of a potential and these forces, whose model receives those of the potential."""
        return Acting(potential, self)


class Acting(ExternalPotential):
    """A potential and, with its forces as their input F, a model's forces."""

    def __init__(self, potential: Potential, added: Forces) -> None:
        super().__init__()
        self.potential, self.added = potential, added

    def compute(self, state: State, *, forces: bool, stress: bool) -> Evaluation:
        found = self.potential.evaluate(state, forces=True)
        more = self.added.evaluate(state.replace(atom_aux={**state.atom_aux, "acting": found.forces}), stress=stress)
        return Evaluation(found.energy, found.forces + more.forces)
