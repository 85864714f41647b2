"""Molecular dynamics with a GAP, with the largest standard deviation of an atom's energy along the way."""

from __future__ import annotations

import ase
import numpy as np
import pandas as pd
from ase import units
from ase.md.langevin import Langevin

from labkit.base import NO_PROGRESS, Progress, State
from labkit.errors import LabkitError, Stopped
from labkit.gap.model import GapModel


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
    """Langevin dynamics (ASE, friction 0.02/fs) at `temperature` [K] with `timestep` [fs]; one row every `every` steps.

    Columns: energy [eV] above that of `atoms`, spread [eV], the largest standard deviation of an atom's energy, and
    shortest, the shortest distance over the sum of the covalent radii. Index: time [fs].

    >>> dynamics(model, atoms, temperature=600).plot(y="spread")  # doctest: +SKIP
    """
    if temperature < 0 or steps < 1 or every < 1 or timestep <= 0:
        found = f"{steps} steps of {timestep} fs at {temperature} K, a row every {every}"
        raise LabkitError(f"{found}: expected positive numbers")
    moving, random = atoms.copy(), np.random.default_rng(seed)
    moving.calc = model.calculator()
    start = moving.get_potential_energy()
    thermal = np.sqrt(moving.get_masses() * units.kB * temperature)[:, None]
    moving.set_momenta(thermal * random.standard_normal(moving.positions.shape))
    motion = Langevin(
        moving, timestep * units.fs, temperature_K=temperature, friction=0.02 / units.fs, fixcm=False, rng=random
    )
    rows: dict[float, tuple[float, float, float]] = {}
    for step in range(every, steps + 1, every):
        if progress.should_stop():
            raise Stopped(partial=_table(rows))
        motion.run(every)
        state = State.from_atoms([moving])
        energy, (of_atoms, _) = model.evaluate(state, forces=False).energy, model.variance(state)
        rows[step * timestep] = (float(energy) - start, float(of_atoms.max().sqrt()), _shortest(moving))
        progress.update(step, steps)
    return _table(rows)


def _table(rows: dict[float, tuple[float, float, float]]) -> pd.DataFrame:
    index = pd.Index(list(rows), name="time [fs]", dtype=float)
    return pd.DataFrame(list(rows.values()), index=index, columns=["energy", "spread", "shortest"])


def _shortest(atoms: ase.Atoms) -> float:
    from ase.data import covalent_radii

    radii = covalent_radii[atoms.numbers]
    distances = atoms.get_all_distances(mic=bool(atoms.pbc.any())) + np.diag(np.full(len(atoms), np.inf))
    return float((distances / (radii[:, None] + radii)).min())
