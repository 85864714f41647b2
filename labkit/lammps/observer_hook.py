"""A labkit observer in LAMMPS: it receives complete steps, and its value can be read there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from labkit.base import Evaluation, Observer, State
from labkit.engine.run import Run
from labkit.lammps.hook import Hook

if TYPE_CHECKING:
    from labkit.lammps.host import Host


class ObserverHook(Hook):
    """Passes the state of a group to an observer, whose `value` can be read in LAMMPS as f_NAME[i]."""

    rank = 2

    def __init__(self, host: Host, name: str, group: str, what: Observer) -> None:
        super().__init__(host, name, group, what)
        self._last: int | None = None

    def begin(self) -> None:
        super().begin()
        self._started = False

    def call(self, step: int, external: np.ndarray) -> None:
        host, count = self.host, self.host.count(step)
        if not self._started:
            self._started = True
            self.what.start(Run(self._state(step), host.labkit_potential(), None, host.dt))
        due = host.ends_step(step) and count % self.what.every == 0
        host.request_energy(step + 1 if (count + 1) % self.what.every == 0 or host.evaluations > 1 else None)
        if not due or count == self._last:
            return
        self._last, state = count, self._state(step)
        energy = torch.tensor([host.energy(step)], dtype=torch.float64)
        state = state.replace(energy=energy)
        self.what(state, Evaluation(energy=energy, forces=state.forces))
        if isinstance(self.what.value, torch.Tensor):
            numbers = self.what.value.reshape(-1).tolist()
            host.lmp.fix_external_set_vector_length(self.name, len(numbers))
            for k, number in enumerate(numbers):
                host.lmp.fix_external_set_vector(self.name, k + 1, number)

    def _state(self, step: int) -> State:
        """Velocities of the full step: LAMMPS has made only half of the kick of its own integrators so far."""
        group, host = self.group, self.host
        rows = group.rows()
        state = group.state(host.count(step), rows)
        velocities = state.velocities
        if step != host.first:
            kick = 0.5 * host.lmp.extract_global("dt") * host.lmp.extract_global("ftm2v") * host.units.velocity
            force, mass = state.forces / host.units.force, state.system.masses[:, None] / host.units.mass
            moving = (velocities != 0).any(1, keepdim=True)  # atoms that no fix moves have not been kicked, either
            velocities = velocities + moving * kick * force / mass
        for hook in host.integrators():
            _, mine, theirs = np.intersect1d(group.tags, hook.group.tags, assume_unique=True, return_indices=True)
            if hook.state is not None:
                velocities[mine] = hook.state.velocities[theirs]
        return state.replace(velocities=velocities)

    def end(self) -> None:
        self.what.close()
