"""A labkit integrator in LAMMPS: it moves a group under the forces that LAMMPS computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from labkit.base import Evaluation, Integrator, State
from labkit.errors import LabkitError
from labkit.lammps.hook import Hook
from labkit.lammps.integrator_thread import CompletedStep, ForceRequest, IntegratorThread

if TYPE_CHECKING:
    from labkit.lammps.host import Host


class IntegratorHook(Hook):
    """Moves a group with a labkit integrator, under all forces that LAMMPS computes for these atoms.

    Each force evaluation of the integrator is a step of LAMMPS; a step that evaluates none takes as many. LAMMPS itself
    moves the atoms at the beginning of its next step (fix nve/noforce, x += dt v), so that the positions and forces
    that it writes belong together.
    """

    rank = 1

    def __init__(self, host: Host, name: str, group: str, what: Integrator, evaluations: int, seed: int) -> None:
        super().__init__(host, name, group, what)
        self.evaluations, self.seed = evaluations, seed
        self.state: State | None = None
        self._thread: IntegratorThread | None = None

    def begin(self) -> None:
        super().begin()
        if self.state is not None and self.state.system is not self.group.system:
            self.state = None
        self._thread = None

    def call(self, step: int, external: np.ndarray) -> None:
        rows = self.group.rows()
        now = self.group.state(self.host.count(step), rows, seed=self.seed)
        energy = torch.tensor([self.host.energy(step)], dtype=torch.float64)
        known = Evaluation(energy=energy, forces=now.forces)
        if self._thread is None:
            self._request, self._evaluated = self._start(now, known), 0
        else:
            self._check_place(now)
            if isinstance(self._request, ForceRequest):
                self._request, self._evaluated = self._thread.resume(known), self._evaluated + 1
        if self.host.ends_step(step):
            self._check_evaluations()
            self.state = self._request.state
            if step == self.host.last:
                self._put(now, rows)
                return
            self._request, self._evaluated = self._thread.resume(), 0
        self._move(now, rows)

    def _start(self, now: State, known: Evaluation) -> CompletedStep:
        """Start at the current positions, whose forces are known."""
        kept = {} if self.state is None else {"aux": self.state.aux, "energy": self.state.energy}
        self._thread = IntegratorThread(self.what, now.replace(**kept), self.host.dt)
        request = self._thread.resume()
        while isinstance(request, ForceRequest):
            if not torch.equal(request.state.positions, now.positions):
                raise LabkitError(
                    f"{type(self.what).__name__} needs initial forces at positions other than those of the atoms"
                )
            request = self._thread.resume(known)
        return request

    def _check_evaluations(self) -> None:
        """At the end of a step: check the number of force evaluations."""
        more = isinstance(self._request, ForceRequest)
        if more or self._evaluated not in (0, self.evaluations):
            found = f"more than {self.evaluations}" if more else f"{self._evaluated}"
            right = self.evaluations + 1 if more else self._evaluated
            raise LabkitError(
                f"a step of {type(self.what).__name__} evaluates forces {found} times, expected {self.evaluations}; "
                f"set the number: host.integrator(..., evaluations={right})"
            )

    def _check_place(self, now: State) -> None:
        """Check that the atoms are where this hook has put them and that the box has not changed."""
        name = type(self.what).__name__
        if not torch.equal(now.cell, self._cell):
            raise LabkitError(
                f"LAMMPS changes the box while {name} moves atoms in it; remove its barostat (unfix), or let LAMMPS "
                "move the atoms, too"
            )
        away = (now.positions - self._place).norm(dim=1)
        if float(away.max()) > 1e-9 * (10 + float(self._place.abs().max())):
            raise LabkitError(
                f"atom {self.group.tags[int(away.argmax())]} is {float(away.max()):.2g} Å from where {name} has put "
                "it: another fix also moves it; remove that fix (as in: unfix NVE), or leave the atom out of the group"
            )

    def _move(self, now: State, rows: np.ndarray) -> None:
        target = self._request.state
        if not torch.equal(target.cell, now.cell):
            raise LabkitError(f"{type(self.what).__name__} changes the cell, which is not supported inside LAMMPS")
        self._place, self._cell = target.positions, now.cell
        self.group.write("v", rows, (target.positions - now.positions) / self.host.dt, self.host.units.velocity)

    def _put(self, now: State, rows: np.ndarray) -> None:
        """The end of a run: LAMMPS holds the integrator's last state."""
        moved, units = self.state.positions - now.positions, self.host.units
        if bool((moved != 0).any()):
            wrapped = torch.as_tensor(self.group.numbers("x", rows)) * units.length
            self.group.write("x", rows, wrapped + moved, units.length)
        self.group.write("v", rows, self.state.velocities, units.velocity)

    def end(self) -> None:
        if self._thread is not None:
            self._thread.end()
            self._thread = None
