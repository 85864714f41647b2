"""The three kinds of hook: what a `fix external` calls at each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from labkit.base import Evaluation, Integrator, Observer, Potential, State
from labkit.engine.run import Run
from labkit.errors import LabkitError
from labkit.lammps.group import Group
from labkit.lammps.turns import Finished, Turns, Wanted

if TYPE_CHECKING:
    from labkit.lammps.host import Host

#: LAMMPS's order of the six components of a virial
VOIGT = ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])


class Hook:
    """Base: a name, which is the fix's ID, a group, and what happens before, in and after a run."""

    #: potentials come first, then integrators, which need all forces, then observers, which need all velocities
    rank = 0

    def __init__(self, host: Host, name: str, group: str, what: Any) -> None:
        self.host, self.name, self.group_name, self.what = host, name, group, what
        self.group: Group | None = None

    def begin(self) -> None:
        """Before a run: who is in the group now."""
        kept = self.group
        self.group = Group(self.host.lmp, self.group_name, self.host.units, self.host.elements)
        if kept is not None and _same(kept, self.group):
            self.group = kept  # the same System: neighbour lists and compiled kernels stay

    def call(self, step: int, external: np.ndarray) -> None:
        """At POST_FORCE of a step; `external` (local atoms, 3) are forces that LAMMPS adds, zero so far."""
        raise NotImplementedError

    def end(self) -> None:
        """After a run, also one that failed."""

    def __str__(self) -> str:
        return f"{self.name} ({type(self.what).__name__} on group {self.group_name})"


class PotentialHook(Hook):
    """Adds a potential's forces, and reports energy and virial."""

    def __init__(self, host: Host, name: str, group: str, what: Potential, virial: bool) -> None:
        super().__init__(host, name, group, what)
        self.virial = virial

    def call(self, step: int, external: np.ndarray) -> None:
        lmp, units, rows = self.host.lmp, self.host.units, self.group.rows()
        state = self.group.state(self.host.count(step), rows)
        # what else acts on these atoms, and the time, for models that are given them
        state.aux.update(acting=state.forces, time=torch.tensor([step * self.host.dt]))
        periodic = state.system.pbc[0]
        wanted = self.virial and bool(periodic.all())
        found = self.what.evaluate(state, forces=True, stress=wanted)
        external[rows] = found.forces.detach().cpu().numpy() / units.force
        energy = float(found.energy[0])
        if not (np.isfinite(energy) and np.isfinite(external).all()):
            raise LabkitError(f"the energy ({energy:g} eV) or a force is not finite; atoms may be too close")
        lmp.fix_external_set_energy_global(self.name, energy / units.energy)
        if self.virial and not bool(periodic.any()):
            stress = -torch.einsum("na,nb->ab", state.positions - state.positions[0], found.forces)
            self._report(0.5 * (stress + stress.mT))
        elif wanted:
            self._report(found.stress[0] * state.volume()[0])

    def _report(self, tension: torch.Tensor) -> None:
        """The virial -dE/dstrain [eV]; LAMMPS makes the pressure of it."""
        virial = (-tension.detach().cpu().numpy() / self.host.units.energy)[VOIGT]
        self.host.lmp.fix_external_set_virial_global(self.name, virial.tolist())


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


class ObserverHook(Hook):
    """Shows an observer the state of a group; what it keeps as `value` can be read in LAMMPS as f_NAME[i]."""

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
            self._started, start = True, getattr(self.what, "start", None)
            if callable(start):
                start(Run(self._state(step), host.everything(), None, host.dt))
        due = host.whole(step) and count % self.what.every == 0
        host.tally(step + 1 if (count + 1) % self.what.every == 0 or host.evaluations > 1 else None)
        if not due or count == self._last:
            return
        self._last, state = count, self._state(step)
        energy = torch.tensor([host.energy(step)], dtype=torch.float64)
        state.aux["energy"] = energy
        self.what(state, Evaluation(energy=energy, forces=state.forces))
        value = getattr(self.what, "value", None)
        if isinstance(value, torch.Tensor):
            numbers = value.reshape(-1).tolist()
            host.lmp.fix_external_set_vector_length(self.name, len(numbers))
            for k, number in enumerate(numbers):
                host.lmp.fix_external_set_vector(self.name, k + 1, number)

    def _state(self, step: int) -> State:
        """Velocities of the full step: LAMMPS has made half of the kick of its own integrators by now."""
        group, host = self.group, self.host
        rows = group.rows()
        state = group.state(host.count(step), rows)
        velocities = state.velocities
        if step != host.first:
            kick = 0.5 * host.lmp.extract_global("dt") * host.lmp.extract_global("ftm2v") * host.units.velocity
            force, mass = state.forces / host.units.force, state.system.masses[:, None] / host.units.mass
            velocities = velocities + kick * force / mass
        for hook in host.integrators():
            _, mine, theirs = np.intersect1d(group.tags, hook.group.tags, assume_unique=True, return_indices=True)
            if hook.state is not None:
                velocities[mine] = hook.state.velocities[theirs]
        return state.replace(velocities=velocities)

    def end(self) -> None:
        if callable(close := getattr(self.what, "close", None)):
            close()


def _here(said: Wanted, now: State) -> bool:
    return torch.equal(said.state.positions, now.positions)


def _same(a: Group, b: Group) -> bool:
    one, other = a.system, b.system
    return (
        np.array_equal(a.tags, b.tags)
        and np.array_equal(a.types, b.types)
        and all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("numbers", "masses", "pbc"))
    )
