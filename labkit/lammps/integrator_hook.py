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

    Each evaluation that the integrator asks for is a step of LAMMPS; a step that asks for none takes as many. What has
    to move is moved by LAMMPS itself at the beginning of its next step (fix nve/noforce, x += dt v): positions and
    forces of what it writes belong together.
    """

    rank = 1

    def __init__(self, host: Host, name: str, group: str, what: Integrator, evaluations: int, seed: int) -> None:
        super().__init__(host, name, group, what)
        self.evaluations, self.seed = evaluations, seed
        self.state: State | None = None
        self._turns: Turns | None = None

    def begin(self) -> None:
        super().begin()
        if self.state is not None and self.state.system is not self.group.system:
            self.state = None
        self._turns = None

    def call(self, step: int, external: np.ndarray) -> None:
        rows = self.group.rows()
        now = self.group.state(self.host.count(step), rows, seed=self.seed)
        energy = torch.tensor([self.host.energy(step)], dtype=torch.float64)
        known = Evaluation(energy=energy, forces=now.forces)
        if self._turns is None:
            self._said, self._asked = self._start(now, known), 0
        else:
            self._check_place(now)
            if isinstance(self._said, Wanted):
                self._said, self._asked = self._turns.go(known), self._asked + 1
        if self.host.whole(step):
            self._check_asked()
            self.state = self._said.state
            if step == self.host.last:
                self._put(now, rows)
                return
            self._said, self._asked = self._turns.go(), 0
        self._move(now, rows)

    def _start(self, now: State, known: Evaluation) -> Finished:
        """Begin where the atoms are, whose forces are known."""
        kept = {} if self.state is None else {"aux": self.state.aux, "energy": self.state.energy}
        self._turns = Turns(self.what, now.replace(**kept), self.host.dt)
        said = self._turns.go()
        while isinstance(said, Wanted):
            if not torch.equal(said.state.positions, now.positions):
                raise LabkitError(f"{type(self.what).__name__} begins with forces of other places than the atoms'")
            said = self._turns.go(known)
        return said

    def _check_asked(self) -> None:
        """At the end of a step: forces were asked for as often as was said."""
        more = isinstance(self._said, Wanted)
        if more or self._asked not in (0, self.evaluations):
            found = f"more than {self.evaluations}" if more else f"{self._asked}"
            right = self.evaluations + 1 if more else self._asked
            raise LabkitError(
                f"a step of {type(self.what).__name__} asks for forces {found} times, expected {self.evaluations}; say "
                f"how often: host.integrator(..., evaluations={right})"
            )

    def _check_place(self, now: State) -> None:
        """The atoms are where this hook has put them, and the box is what it was."""
        name = type(self.what).__name__
        if not torch.equal(now.cell, self._cell):
            raise LabkitError(
                f"LAMMPS changes the box while {name} moves atoms in it; take its barostat away (unfix), or let LAMMPS "
                "move the atoms, too"
            )
        away = (now.positions - self._place).norm(dim=1)
        if float(away.max()) > 1e-9 * (10 + float(self._place.abs().max())):
            raise LabkitError(
                f"atom {self.group.tags[int(away.argmax())]} is {float(away.max()):.2g} Å from where {name} has put "
                "it: another fix moves it, too; take that away (as in: unfix NVE), or leave the atom out of the group"
            )

    def _move(self, now: State, rows: np.ndarray) -> None:
        wanted = self._said.state
        if not torch.equal(wanted.cell, now.cell):
            raise LabkitError(f"{type(self.what).__name__} changes the cell, which is not done inside LAMMPS")
        self._place, self._cell = wanted.positions, now.cell
        self.group.write("v", rows, (wanted.positions - now.positions) / self.host.dt, self.host.units.velocity)

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
