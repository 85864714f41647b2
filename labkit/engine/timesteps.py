"""How well the total energy is conserved at different timesteps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from torch import Tensor

from labkit.base import NO_PROGRESS, Potential, Progress, State
from labkit.engine.kinetic import kinetic_energy
from labkit.engine.observers.function import Record
from labkit.engine.simulate import simulate
from labkit.engine.velocity_verlet import VelocityVerlet
from labkit.errors import LabkitError, Stopped

#: A run whose energy strays further than this, in eV/atom, is counted as one that has blown up.
LOST = 0.05
#: fs between two samples of the energy: a fraction of the fastest period
LOOK = 2.0


@dataclass(frozen=True, eq=False)
class EnergyErrors:
    """Runs at constant energy from one state, by timestep [fs].

    curves  dt -> (time [fs] (T,), energy minus that of the start [meV/atom] (T,), of the first system)
    errors  dt -> standard deviation of the total energy [meV/atom], root mean square over the systems; NaN after a
            run that has blown up
    """

    curves: dict[float, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    errors: dict[float, float] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """errors as a column "error" [meV/atom] over "dt" [fs]."""
        return pd.Series(self.errors, name="error", dtype=float).rename_axis("dt").sort_index().to_frame()

    @property
    def lost(self) -> list[float]:
        """Timesteps at which the run has blown up."""
        return sorted(dt for dt, error in self.errors.items() if np.isnan(error))

    def law(self, largest: float = 1.0) -> tuple[float, float]:
        """(c, p) of error = c dt^p, by least squares of the logarithms, over timesteps up to `largest` fs.

        Raises LabkitError for fewer than two timesteps.
        """
        rows = self.table.dropna().loc[:largest]
        if len(rows) < 2:
            raise LabkitError(f"{len(rows)} timesteps up to {largest:g} fs; a slope needs two or more")
        slope, constant = np.polyfit(np.log(rows.index), np.log(rows["error"]), 1)
        return float(np.exp(constant)), float(slope)


def energy_errors(
    state: State,
    potential: Potential,
    timesteps: Sequence[float],
    time: float = 500.0,
    progress: Progress = NO_PROGRESS,
) -> EnergyErrors:
    """Run velocity Verlet from `state` for `time` fs with each timestep [fs]; progress receives EnergyErrors so far.

    The error of velocity Verlet is bounded and scales as dt² if dt is small compared with the fastest vibration; it has
    no bound if dt ω > 2. Raises LabkitError for invalid times and a state that cannot be run at all, Stopped with the
    results so far.

    >>> found = energy_errors(state, forcefield, [0.25, 0.5, 1.0])  # doctest: +SKIP
    """
    wrong = [dt for dt in timesteps if not 0 < dt < time]
    if wrong or not len(timesteps):
        raise LabkitError(f"timesteps are {list(timesteps)} fs in {time:g} fs; expected some, each between 0 and that")
    state = VelocityVerlet().init(state, potential)
    steps = [round(time / dt) for dt in timesteps]
    found = EnergyErrors()
    for number, dt in enumerate(timesteps):
        part = progress.part(sum(steps[:number]), sum(steps), steps[number], result=lambda found=found: found)
        try:
            curve, error = _one(state, potential, dt, steps[number], part)
        except Stopped as stop:
            raise Stopped(str(stop), partial=found) from stop
        found = EnergyErrors({**found.curves, dt: curve}, {**found.errors, dt: error})
    progress.update(sum(steps), sum(steps), result=found)
    return found


def _one(state: State, potential: Potential, dt: float, steps: int, progress: Progress) -> tuple[tuple, float]:
    start = state.replace(step=0)
    record = Record(total_per_atom, every=max(1, round(LOOK / dt)))
    exploded = False
    try:
        simulate(start, potential, VelocityVerlet(), steps, dt, observers=[record], progress=progress)
    except LabkitError:  # the start was checked before: a run that fails later has blown up
        exploded = True
    energy = 1000 * (record.values - record.values[0]).squeeze(2).numpy()
    exploded = exploded or bool((np.abs(energy) > 1000 * LOST).any())
    error = float("nan") if exploded else float(np.sqrt(energy.var(0).mean()))
    return (record.steps.numpy() * dt, energy[:, 0]), error


def total_per_atom(state: State) -> Tensor:
    """Potential and kinetic energy over the number of atoms, (S,) eV."""
    return (state.energy + kinetic_energy(state)) / state.system.counts
