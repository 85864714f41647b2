"""The loop of dynamics: steps, observers, progress, checkpoints, and a clear error when something explodes."""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from numbers import Real

import torch

from labkit.base import NO_PROGRESS, Evaluation, Integrator, Observer, Potential, Progress, State, Stop
from labkit.engine.checkpoint import ADVICE, Checkpoint
from labkit.engine.fingerprint import fingerprint
from labkit.engine.frozen_potential import FrozenPotential
from labkit.engine.health import Health
from labkit.engine.kinetic import temperature_under
from labkit.engine.left_out import left_out
from labkit.engine.run import Run
from labkit.engine.start import Probe, Start
from labkit.errors import LabkitError, Stopped
from labkit.files import whole_content

#: Steps between two checks that all is finite (each waits for the GPU); the exact step is found afterwards.
BLOCK = 100
#: s between two calls of progress.update, and of progress.should_stop; the latter also limits steps at once
UPDATE_INTERVAL, STOP_INTERVAL = 0.3, 0.05


def simulate(
    state: State,
    potential: Potential,
    integrator: Integrator,
    steps: int,
    dt: float,
    *,
    observers: Sequence[Observer] = (),
    progress: Progress = NO_PROGRESS,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1000,
    resume: bool = True,
    retrained: bool = False,
    start: State | None = None,
) -> State:
    """Move `state` by `steps` steps of `dt` fs and return the last state.

    Observers are called when the step is a multiple of their `every`, and at step 0. With a `checkpoint` file the run
    is stored at its start, at multiples of `checkpoint_every` and at its end; called again with the same arguments, it
    resumes from there (`resume`), the observers' files are cut back to that moment, and on one CPU, with the same
    threads and `checkpoint_every`, a killed run is equal to the bit to one that was not. After `Stopped` they agree up
    to rounding, because the neighbour list is built again. Gradients are not recorded.

    An observer may return Stop(reason, systems): all observers then see this step, it is stored, and the run ends with
    Stopped(partial=state, reason=..., systems=...); called again, it resumes from there, and `state[others]` continues
    as if nothing had happened. With `retrained` the checkpoint may be that of another potential: forces and energy are
    computed again, all else continues. A checkpoint of another run is refused, also one that has only another start:
    `start` is what the run is known by, where `state` differs between calls, as after a minimisation that is skipped
    when the run resumes; `Checkpoint.last_state` reads the state of any checkpoint, from which a run may continue.

    Raises LabkitError, with step, system, atoms and the last checkpoint, when something is not finite or explodes;
    Stopped(partial=state) when progress or an observer asks for it; LabkitError for a checkpoint of another run.

    >>> state = simulate(state, model, VelocityVerlet(), steps=1000, dt=0.5)  # doctest: +SKIP
    """
    _check(state, integrator, steps, dt, observers, checkpoint_every)
    _check_paths([*(observer.path for observer in observers), checkpoint])
    last = state.loop_step + int(steps)
    store = None
    if checkpoint is not None:
        names = [f"{type(o).__name__} every {o.every}" for o in observers]
        mark = fingerprint(state, potential, integrator, dt, observers)
        store = Checkpoint(checkpoint, mark, names, Start.of(start or state), retrained=retrained)
        store.clear(everything=not resume)
    try:
        with torch.no_grad():
            return _Loop(state, potential, integrator, float(dt), last, observers, progress, store).run(
                int(checkpoint_every)
            )
    finally:
        for observer in observers:
            observer.close()


class _Loop:
    def __init__(
        self,
        state: State,
        potential: Potential,
        integrator: Integrator,
        dt: float,
        last: int,
        observers: Sequence[Observer],
        progress: Progress,
        store: Checkpoint | None,
    ) -> None:
        self.potential, self.integrator, self.dt, self.last = potential, integrator, dt, last
        self.observers, self.progress, self.store = observers, progress, store
        self.first = state.loop_step
        self.frozen = FrozenPotential(potential)
        self.health: Health | None = None
        self._updated = self._checked = -1e9
        self._pace = STOP_INTERVAL  # s per step: the first step is made alone
        self.state, self.resumed = self._begin(state)

    def _begin(self, state: State) -> tuple[State, bool]:
        """The state to continue from: the checkpoint's, or the given one with forces; starts or rewinds observers."""
        self.frozen.reset()
        stored = None if self.store is None else self.store.read(state)
        if stored is not None:
            if stored.state.loop_step > self.last:
                raise LabkitError(
                    f"{self.store.path}: is at step {stored.state.loop_step}, beyond step {self.last} where this run "
                    "ends; ask for more steps, give each run its own checkpoint file, or start again with resume=False"
                )
            if stored.note:
                warnings.warn(stored.note, stacklevel=4)
            same = stored.same_potential and self.store.knows(state, self.potential)
            run = Run(stored.state, self.potential, self.integrator, self.dt)
            for observer, position in zip(self.observers, stored.positions, strict=True):
                own = type(observer).__module__.startswith("labkit.")  # an error of other code is that code's
                with whole_content(self.store.path, ADVICE) if own else nullcontext():
                    observer.rewind(position, run)
            state = stored.state if same else self._started(stored.state)
            self.health = Health(state, self.dt)
            return state, True
        # even if there are forces: they may be another potential's, or of positions that were changed since
        state = self._started(state)
        self.health = Health(state, self.dt)
        if not self.health.good(state):
            raise LabkitError(
                f"step {state.loop_step}, before the first: {self.health.complaint(state)}; {self.health.advice(state)}"
            )
        run = Run(state, self.potential, self.integrator, self.dt)
        for observer in self.observers:
            observer.start(run)
        return state, False

    def _started(self, state: State) -> State:
        try:
            state = self.integrator.init(state, self.potential)
        except LabkitError as error:
            raise LabkitError(_at(f"step {state.loop_step}, before the first", error)) from error
        self._check_results(state, "init")
        if self.store is not None:
            self.store.probe = Probe.of(state, self.potential)
        return state

    def run(self, checkpoint_every: int) -> State:
        if not self.resumed:
            stops = self._observe() if self.state.loop_step == 0 else []
            self._save()
            self._end(stops)
        good, checked = self.state, self.state.loop_step
        while self.state.loop_step < self.last:
            if self._stop_requested():
                self._verify(good)
                self._save()
                raise Stopped(f"stopped at step {self.state.loop_step} of {self.last}", partial=self.state)
            self.state = self._advanced(good, self._until(checked, checkpoint_every))
            step = self.state.loop_step
            due = any(step % o.every == 0 for o in self.observers)
            saving = self.store is not None and step % checkpoint_every == 0
            if due or saving or step == self.last or step - checked >= BLOCK:
                self._verify(good)
                good, checked = self.state, step
            stops = self._observe() if due else []
            if (saving and step != self.last) or stops:
                self._save()
            self._report(good)
            self._end(stops)
        if self.store is not None and self.store.last != self.state.loop_step:
            self._save()
        return self.state

    def _until(self, checked: int, checkpoint_every: int) -> int:
        """How many steps to make at once: not beyond the next event, and no longer than Stop may wait."""
        step = self.state.loop_step
        every = [o.every for o in self.observers] + ([checkpoint_every] if self.store is not None else [])
        soonest = min([self.last, checked + BLOCK, *(step - step % k + k for k in every)]) - step
        return max(1, min(soonest, int(STOP_INTERVAL / self._pace)))

    def _advanced(self, good: State, steps: int) -> State:
        began = time.perf_counter()
        try:
            state = self.integrator.advance(self.state, self.frozen, self.dt, steps)
            self._check_results(state, "step", self.state.loop_step + steps)
            return state
        except LabkitError as error:
            raise self._failure(
                good, _at(f"step {self.state.loop_step + 1}", error), self.state.loop_step + steps
            ) from error
        finally:
            self._pace = (time.perf_counter() - began) / steps

    def _check_results(self, state: State, method: str, expected: int | None = None) -> None:
        """Raise LabkitError if the integrator leaves out what its states must have."""
        name = f"{type(self.integrator).__name__}.{method}"
        missing = [field for field in ("forces", "energy") if getattr(state, field) is None]
        if missing:
            raise LabkitError(
                f"{name} returns a state without {missing[0]}; expected state.replace(forces=found.forces, "
                "energy=found.energy) with the result of potential.evaluate"
            )
        if expected is not None and state.loop_step != expected:
            raise LabkitError(
                f"{name} returns a state of step {state.loop_step}, expected {expected}: each step must return "
                "state.replace(step=state.step + 1), or all steps have the same noise"
            )

    def _verify(self, good: State) -> None:
        if not self.health.good(self.state):
            where = f"between steps {good.loop_step} and {self.state.loop_step}: {self.health.complaint(self.state)}"
            raise self._failure(good, where)

    def _failure(self, good: State, otherwise: str, upto: int = 0) -> LabkitError:
        """The error for what went wrong since `good`: its exact step is found by repeating the steps."""
        text, state, upto = otherwise, good, upto or self.state.loop_step
        self.frozen.reset()
        try:
            while state.loop_step < upto:
                state = self.integrator.advance(state, self.frozen, self.dt, 1)
                if not self.health.good(state):
                    text = f"step {state.loop_step}: {self.health.complaint(state)}"
                    break
        except LabkitError as error:
            text = _at(f"step {state.loop_step + 1}", error)
        store = self.store
        kept = "" if store is None else f"the last good checkpoint is {store.path} at step {store.last}; "
        why = left_out(self.potential, self.integrator.constraints) or (
            f"Most often the timestep is too large (it is {self.dt:g} fs: try half of it), otherwise atoms "
            "overlap at the start or the potential has a hole"
        )
        return LabkitError(f"{text}. {why[0].upper()}{why[1:]}; {kept}all results until then are kept")

    def _observe(self) -> list[Stop]:
        """Call all observers that are due at this step; return the requests to end the run."""
        step, known = self.state.loop_step, Evaluation(energy=self.state.energy, forces=self.state.forces)
        found = [observer(self.state, known) for observer in self.observers if step % observer.every == 0]
        return [stop for stop in found if isinstance(stop, Stop)]

    def _end(self, stops: list[Stop]) -> None:
        """End the run, with the state of this step, if an observer has asked for it."""
        if not stops:
            return
        reason = "; ".join(dict.fromkeys(stop.reason for stop in stops))
        every = any(not stop.systems for stop in stops)
        systems = () if every else sorted({s for stop in stops for s in stop.systems})
        who = f", system{'s' * (len(systems) > 1)} {', '.join(map(str, systems))}" if systems else ""
        where = f"ended at step {self.state.loop_step} of {self.last}{who}: {reason}"
        raise Stopped(where, partial=self.state, reason=reason, systems=systems)

    def _save(self) -> None:
        if self.store is None:
            return
        self.store.write(self.state, [observer.position() for observer in self.observers])
        self.frozen.reset()

    def _stop_requested(self) -> bool:
        if (now := time.monotonic()) - self._checked < STOP_INTERVAL:
            return False
        self._checked = now
        return self.progress.should_stop()

    def _report(self, good: State) -> None:
        """Report numbers of the last state that was checked, never of one that may have exploded."""
        step = self.state.loop_step
        if self.progress is NO_PROGRESS or (
            (now := time.monotonic()) - self._updated < UPDATE_INTERVAL and step < self.last
        ):
            return
        self._updated = now
        self.progress.update(
            step - self.first,
            self.last - self.first,
            time_ps=step * self.dt * 1e-3,
            energy=float(good.energy.mean()),
            temperature=float(temperature_under(good, self.integrator).mean()),
        )


def _check(
    state: State, integrator: Integrator, steps: int, dt: float, observers: Sequence[Observer], checkpoint_every: int
) -> None:
    if not isinstance(integrator, Integrator):
        raise LabkitError(
            f"the integrator is {integrator!r}; expected one such as Langevin(300.0), or one of your own class "
            "that inherits from labkit.base.Integrator"
        )
    n, systems = state.system.n_atoms, state.system.n_systems
    for name, expected in (("positions", (n, 3)), ("velocities", (n, 3)), ("cell", (systems, 3, 3))):
        if (found := tuple(getattr(state, name).shape)) != expected:
            raise LabkitError(f"the state's {name} are {found}; expected {expected}, as its system has {n} atoms")
    if not isinstance(steps, Real) or int(steps) != steps or steps < 0:
        raise LabkitError(f"steps is {steps!r}; expected a whole number from 0")
    if not (isinstance(dt, Real) and 0 < abs(dt) < float("inf")):
        raise LabkitError(f"dt is {dt!r} fs; expected a timestep such as 0.5")
    if int(checkpoint_every) != checkpoint_every or checkpoint_every < 1:
        raise LabkitError(f"checkpoint_every is {checkpoint_every!r}; expected a whole number of steps from 1")
    for observer in observers:
        check_observer(observer)


def check_observer(observer: Observer) -> None:
    """Raise LabkitError if it is not an Observer, or if its `every` is not a number of steps."""
    if not isinstance(observer, Observer):
        raise LabkitError(
            f"observer {type(observer).__name__}: expected something to call with (state, evaluation), of a class that "
            "inherits from labkit.base.Observer"
        )
    if not isinstance(observer.every, int) or observer.every < 1:
        raise LabkitError(
            f"observer {type(observer).__name__}: expected a whole number of steps from 1 as its `every`; found "
            f"every = {observer.every!r}"
        )


def _at(step: str, error: LabkitError) -> str:
    """The message of an error with its step, once: constraints count completed steps."""
    return f"{step}: {re.sub(r'^step [0-9]+: ', '', str(error))}"


def _check_paths(paths: Sequence[str | os.PathLike[str] | None]) -> None:
    """Raise LabkitError if two would write to one file."""
    seen = set()
    for path in (os.path.abspath(path) for path in paths if path is not None):
        if path in seen:
            raise LabkitError(f"{path}: two of the observers and checkpoint would write it; give each its own file")
        seen.add(path)
