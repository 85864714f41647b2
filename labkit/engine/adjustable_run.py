"""Dynamics in blocks of about a tenth of a second, so that settings can be changed while they run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from ase import Atoms

from labkit.base import Evaluation, Integrator, Observer, Potential, Progress, State
from labkit.base.expression import expression
from labkit.engine.kinetic import kinetic_energy, temperature_under
from labkit.engine.observers import ExtXyz
from labkit.engine.run import Run
from labkit.engine.simulate import simulate
from labkit.errors import LabkitError, Stopped

COLUMNS = ["step", "time_fs", "potential_eV", "kinetic_eV", "total_eV", "temperature_K", "target_K", "volume_A3"]
BLOCK = 0.1  # s of wall time
ROWS, FRAMES = 20_000, 200  # of one run, at most (about)


@dataclass(frozen=True)
class RunSetting:
    """What can be changed during a run: integrator, timestep [fs], and the target temperature [K] or None."""

    integrator: Integrator
    dt: float
    target: float | None

    @property
    def text(self) -> tuple[str, float]:
        return expression(self.integrator), self.dt


@dataclass(frozen=True, eq=False)
class AdjustableRun:
    """A run so far: its last `state` at `time` fs; `rows` and `frames` are lists that later blocks extend.

    every    steps between rows, and between frames, a multiple of the first
    spreads  (step, time, what `gauge` has found) of some of the rows, such as its least certain atom
    legs     stretches of constant settings in order: (integrator as an expression, dt, steps)
    """

    state: State
    time: float = 0.0
    every: tuple[int, int] = (1, 10)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    frames: list[State] = field(default_factory=list)
    spreads: list[tuple[int, float, Any]] = field(default_factory=list)
    legs: tuple[tuple[str, float, int], ...] = ()

    @property
    def log(self) -> pd.DataFrame:
        """A row for each recorded step; target_K is nan without a thermostat."""
        return pd.DataFrame(list(self.rows), columns=COLUMNS).astype({"target_K": float}).set_index("step")

    @property
    def trajectory(self) -> list[Atoms]:
        """The recorded frames, with velocities, energies and forces."""
        return [state.to_atoms()[0] for state in list(self.frames)]

    def write_frames(self, path: str | os.PathLike[str], count: int | None = None) -> None:
        """Write the recorded frames, or the first `count` of them, as extended XYZ in full precision."""
        writer = ExtXyz(path, every=1)
        for state in list(self.frames)[:count]:
            if writer.run is None:
                writer.start(Run(state, None, None, 1.0))
            writer(state, Evaluation(energy=state.energy, forces=state.forces))


def run_in_blocks(
    run: AdjustableRun,
    potential: Potential,
    setting: Callable[[], RunSetting],
    steps: int,
    *,
    progress: Progress,
    gauge: Callable[[State], Any] | None = None,
    gauge_every: int = 1,
) -> Iterator[AdjustableRun]:
    """Continue `run` by `steps` steps and yield it after every block; `setting()` is read before each block.

    gauge  called with the state every `gauge_every` steps, which are rows of the log; it must not change the run

    Raises LabkitError when the system explodes, after yielding the run up to its last valid step.
    """
    done, count, before = 0, 1, None
    while done < steps:
        now = setting()
        state = run.state
        if before is None or now.text != before.text:
            state = _prepared(now, state, potential)
        before, start = now, time.monotonic()
        count = min(count, steps - done)
        log, part = _LogObserver(run, now, gauge, gauge_every), progress.part(done, steps, count)
        try:
            state = simulate(state, potential, now.integrator, count, now.dt, observers=[log], progress=part)
        except (Stopped, LabkitError) as error:
            last = error.partial if isinstance(error, Stopped) else log.last
            if not isinstance(error, Stopped) and last is not None:
                log.measure(last)  # of what came before the explosion, too
            yield run if last is None else _advanced(run, last, now)
            if isinstance(error, Stopped):
                return
            raise
        run = _advanced(run, state, now)
        done += count
        yield run
        pace = (time.monotonic() - start) / count
        count = max(1, min(4 * count, int(BLOCK / max(pace, 1e-9))))


class _LogObserver(Observer):
    """Observer: appends rows and frames to the lists of a run."""

    def __init__(
        self, run: AdjustableRun, setting: RunSetting, gauge: Callable[[State], Any] | None, gauge_every: int
    ) -> None:
        self.log, self.setting, self.every = run, setting, run.every[0]
        self.gauge, self.gauge_every = gauge, gauge_every
        self.first_step, self.last = run.state.loop_step, None

    def __call__(self, state: State, known: Evaluation) -> None:
        self.last = state
        potential, kinetic = float(known.energy[0]), float(kinetic_energy(state)[0])
        elapsed = self._elapsed(state)
        temperature = float(temperature_under(state, self.setting.integrator)[0])
        row = (state.loop_step, elapsed, potential, kinetic, potential + kinetic, temperature, self.setting.target)
        self.log.rows.append((*row, float(state.volume()[0])))
        if state.loop_step % self.log.every[1] == 0:
            self.log.frames.append(state)
        if state.loop_step % self.gauge_every == 0:
            self.measure(state)

    def measure(self, state: State) -> None:
        """Call the gauge with this state, unless it has been, and keep what it finds."""
        last = self.log.spreads[-1][0] if self.log.spreads else -1
        if self.gauge is not None and state.loop_step > last:
            self.log.spreads.append((state.loop_step, self._elapsed(state), self.gauge(state)))

    def _elapsed(self, state: State) -> float:
        return self.log.time + (state.loop_step - self.first_step) * self.setting.dt


def _prepared(setting: RunSetting, state: State, potential: Potential) -> State:
    """The state as the integrator needs it; LabkitError for settings that make no sense."""
    if not setting.dt > 0:
        raise LabkitError(f"the timestep is {setting.dt:g} fs; expected a positive number such as 0.5")
    return setting.integrator.init(state, potential)


def _advanced(run: AdjustableRun, state: State, setting: RunSetting) -> AdjustableRun:
    count = state.loop_step - run.state.loop_step
    legs, leg = run.legs, (*setting.text, count)
    if legs and legs[-1][:2] == leg[:2]:
        legs, leg = legs[:-1], (*setting.text, legs[-1][2] + count)
    return replace(run, state=state, time=run.time + count * setting.dt, legs=(*legs, leg))
