"""A labkit integrator in LAMMPS: it moves a group by the forces that LAMMPS has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from labkit.base import Evaluation, Integrator, State
from labkit.errors import LabkitError
from labkit.lammps.hook import Hook
from labkit.lammps.turns import Finished, Turns, Wanted

if TYPE_CHECKING:
    from labkit.lammps.host import Host


class IntegratorHook(Hook):
    """Moves a group by a labkit integrator, with all forces that LAMMPS has for these atoms.

    Each evaluation that the integrator asks for is a step of LAMMPS. What has to move is moved by LAMMPS itself at the
    beginning of its next step (fix nve/noforce, x += dt v): positions and forces of what it writes belong together.
    """

    rank = 1

    def __init__(self, host: Host, name: str, group: str, what: Integrator, evaluations: int, seed: int) -> None:
        super().__init__(host, name, group, what)
        self.evaluations, self.seed = evaluations, seed
        self.state: State | None = None
        self._turns: Turns | None = None
        self._asked = 0

    def begin(self) -> None:
        super().begin()
        if self.state is not None and self.state.system is not self.group.system:
            self.state = None
        self._turns, self._waiting = None, False

    def call(self, step: int, external: np.ndarray) -> None:
        rows = self.group.rows()
        now = self.group.state(self.host.count(step), rows, seed=self.seed)
        energy = self.host.energy(step)
        known = Evaluation(energy=torch.tensor([energy], dtype=torch.float64), forces=now.forces)
        if self._turns is None:
            kept = {} if self.state is None else self.state.aux
            self._turns, self._asked = Turns(self.what, now.replace(aux={**kept, **now.aux}), self.host.dt), 0
        said = self._turns.go(known if self._waiting else None)
        while True:
            if isinstance(said, Finished):
                self._finish(said.state, step)
                if step == self.host.last:
                    self._waiting = False
                    self._put(now, rows)
                    return
                self._asked = 0
                said = self._turns.go()
            elif _here(said, now) and self._asked == 0 and not self._waiting:
                said = self._turns.go(known)  # of the positions where the atoms are: known
            else:
                break
            self._waiting = False
        self._asked += 1
        self._want(said, now, rows)
        self._waiting = True

    def _finish(self, state: State, step: int) -> None:
        if self._asked not in (0, self.evaluations):
            raise LabkitError(
                f"a step of {type(self.what).__name__} asks for forces {self._asked} times, expected "
                f"{self.evaluations}; say so: host.integrator(..., evaluations={self._asked})"
            )
        self.state = state

    def _want(self, said: Wanted, now: State, rows: np.ndarray) -> None:
        if self._asked > self.evaluations:
            raise LabkitError(
                f"a step of {type(self.what).__name__} asks for forces more than {self.evaluations} times; say how "
                f"often: host.integrator(..., evaluations={self._asked})"
            )
        if not torch.equal(said.state.cell, now.cell):
            raise LabkitError(
                f"{type(self.what).__name__} changes the cell; let LAMMPS do it (fix press/berendsen, ...)"
            )
        self.group.write("v", rows, (said.state.positions - now.positions) / self.host.dt, self.host.units.velocity)

    def _put(self, now: State, rows: np.ndarray) -> None:
        """The end of a run: LAMMPS holds the integrator's last state."""
        moved, units = self.state.positions - now.positions, self.host.units
        if bool((moved != 0).any()):
            wrapped = torch.as_tensor(self.group.numbers("x", rows)) * units.length
            self.group.write("x", rows, wrapped + moved, units.length)
        self.group.write("v", rows, self.state.velocities, units.velocity)

    def end(self) -> None:
        if self._turns is not None:
            self._turns.end()
            self._turns = None


def _here(said: Wanted, now: State) -> bool:
    return torch.equal(said.state.positions, now.positions)
