"""Dynamics in blocks of a tenth of a second, so that what is set while they run counts from the next block on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from ase import Atoms

from labkit.base import Evaluation, Integrator, Observer, Potential, Progress, State
from labkit.engine import kinetic_energy, simulate
from labkit.engine.kinetic import temperature_under
from labkit.errors import LabkitError, Stopped
from labkit.panels.kit.script import expression

COLUMNS = ["step", "time_fs", "potential_eV", "kinetic_eV", "total_eV", "temperature_K", "target_K", "volume_A3"]
BLOCK = 0.1  # s
ROWS, FRAMES = 20_000, 200  # of one run, at most (about)


@dataclass(frozen=True)
class Setting:
    """What can be turned while a run goes on: integrator, timestep [fs], and the temperature asked for [K] or None."""

    integrator: Integrator
    dt: float
    target: float | None

    @property
    def text(self) -> tuple[str, float]:
        return expression(self.integrator), self.dt


@dataclass(frozen=True, eq=False)
class Motion:
    """How far a run is: the last `state` at `time` fs; `rows` and `frames` on the way grow with it.

    every  steps between rows, and between frames, a multiple of the first
    legs   what was done: (integrator as an expression, dt, steps), one after another
    """

    state: State
    time: float = 0.0
    every: tuple[int, int] = (1, 10)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    frames: list[State] = field(default_factory=list)
    legs: tuple[tuple[str, float, int], ...] = ()

    @property
    def log(self) -> pd.DataFrame:
        """A row for each time that was looked at; target_K is nan without a thermostat."""
        return pd.DataFrame(list(self.rows), columns=COLUMNS).astype({"target_K": float}).set_index("step")

    @property
    def trajectory(self) -> list[Atoms]:
        """The frames kept, with velocities, energies and forces."""
        return [state.to_atoms()[0] for state in list(self.frames)]


def move(
    motion: Motion, potential: Potential, setting: Callable[[], Setting], steps: int, *, progress: Progress
) -> Iterator[Motion]:
    """Go on from `motion` by `steps` steps and yield after every block; `setting()` is asked before each.

    Raises LabkitError, after a last Motion with what was good until then, when something explodes.
    """
    done, count, before = 0, 1, None
    while done < steps:
        now = setting()
        state = motion.state
        if before is None or now.text != before.text:
            state = _begun(now, state, potential)
        before, start = now, time.monotonic()
        count = min(count, steps - done)
        watch, part = _Watch(motion, now), progress.part(done, steps, count)
        try:
            state = simulate(state, potential, now.integrator, count, now.dt, observers=[watch], progress=part)
        except (Stopped, LabkitError) as error:
            last = error.partial if isinstance(error, Stopped) else watch.last
            yield motion if last is None else _went(motion, last, now)
            if isinstance(error, Stopped):
                return
            raise
        motion = _went(motion, state, now)
        done += count
        yield motion
        pace = (time.monotonic() - start) / count
        count = max(1, min(4 * count, int(BLOCK / max(pace, 1e-9))))


class _Watch(Observer):
    """Observer: a row, and now and then a frame, into the lists of a Motion."""

    def __init__(self, motion: Motion, setting: Setting) -> None:
        self.motion, self.setting, self.every = motion, setting, motion.every[0]
        self.begun, self.last = motion.state.loop_step, None

    def __call__(self, state: State, known: Evaluation) -> None:
        self.last = state
        potential, kinetic = float(known.energy[0]), float(kinetic_energy(state)[0])
        passed = self.motion.time + (state.loop_step - self.begun) * self.setting.dt
        temperature = float(temperature_under(state, self.setting.integrator)[0])
        row = (state.loop_step, passed, potential, kinetic, potential + kinetic, temperature, self.setting.target)
        self.motion.rows.append((*row, float(state.volume()[0])))
        if state.loop_step % self.motion.every[1] == 0:
            self.motion.frames.append(state)


def _begun(setting: Setting, state: State, potential: Potential) -> State:
    """The state as other dynamics take it over, which look at their own parameters here."""
    if not setting.dt > 0:
        raise LabkitError(f"the timestep is {setting.dt:g} fs; expected a positive number such as 0.5")
    return setting.integrator.init(state, potential)


def _went(motion: Motion, state: State, setting: Setting) -> Motion:
    count = state.loop_step - motion.state.loop_step
    legs, leg = motion.legs, (*setting.text, count)
    if legs and legs[-1][:2] == leg[:2]:
        legs, leg = legs[:-1], (*setting.text, legs[-1][2] + count)
    return replace(motion, state=state, time=motion.time + count * setting.dt, legs=(*legs, leg))
