"""Molecular dynamics with a GAP, with the largest standard deviation of an atom's energy along the way."""

from __future__ import annotations

import ase
import numpy as np
import pandas as pd

from labkit.base import NO_PROGRESS, Evaluation, Observer, Progress, State
from labkit.datasets.pairs import find_pairs, relative_distance
from labkit.engine import Langevin, maxwell_boltzmann, simulate
from labkit.errors import LabkitError, Stopped
from labkit.gap.model import GapModel

FRICTION = 0.02  # 1/fs


def dynamics(
    model: GapModel,
    atoms: ase.Atoms,
    *,
    temperature: float = 300.0,
    steps: int = 600,
    timestep: float = 0.5,
    every: int = 5,
    seed: int = 0,
    progress: Progress = NO_PROGRESS,
) -> pd.DataFrame:
    """Langevin dynamics (friction 0.02/fs) at `temperature` [K] with `timestep` [fs]; one row every `every` steps.

    Columns: energy [eV] above that of `atoms`, spread [eV], the largest standard deviation of an atom's energy, and
    shortest, the shortest distance over the sum of the covalent radii. Index: time [fs].

    Raises LabkitError for settings that are not positive, and Stopped(partial=the rows so far).

    >>> dynamics(model, atoms, temperature=600).plot(y="spread")  # doctest: +SKIP
    """
    if temperature < 0 or steps < 1 or every < 1 or timestep <= 0:
        found = f"{steps} steps of {timestep} fs at {temperature} K, a row every {every}"
        raise LabkitError(f"{found}: expected positive numbers")
    start = maxwell_boltzmann(State.from_atoms([atoms], seed=seed), temperature, com_removed=False)
    rows = _ThermalPath(model, every, timestep)
    try:
        simulate(start, model, Langevin(temperature, FRICTION), steps, timestep, observers=[rows], progress=progress)
    except Stopped as stopped:
        raise Stopped(str(stopped), partial=rows.table()) from None
    return rows.table()


class _ThermalPath(Observer):
    """Collects a row at each call but the first, which is that of the start."""

    def __init__(self, model: GapModel, every: int, timestep: float) -> None:
        self.model, self.every, self.timestep = model, every, timestep
        self.reference, self.rows = 0.0, {}

    def __call__(self, state: State, evaluation: Evaluation) -> None:
        energy = float(evaluation.energy)
        if state.loop_step == 0:
            self.reference = energy
            return
        shortest = relative_distance(find_pairs(state.to_atoms())).min(initial=np.inf)
        spread = float(self.model.variance(state)[0].max().sqrt())
        self.rows[state.loop_step * self.timestep] = (energy - self.reference, spread, float(shortest))

    def table(self) -> pd.DataFrame:
        index = pd.Index(list(self.rows), name="time [fs]", dtype=float)
        return pd.DataFrame(list(self.rows.values()), index=index, columns=["energy", "spread", "shortest"])
