"""Slope of the total energy at constant energy, in kT per ns and degree of freedom, compared with OpenMM.

100 TIP3P molecules, flexible (0.5 and 0.25 fs) and rigid (1 and 2 fs); reaction field and Lennard-Jones to 7 Å with a
switch from 6 Å. Both start from one equilibrated state and use velocity Verlet (RATTLE) with float64: OpenMM on its
Reference platform, by a CustomIntegrator, so that kinetic and potential energies are at the same time; labkit
also with pairs in float32. The slope is of a line through the means of blocks, its error from their scatter around it.
"""

from __future__ import annotations

import os

os.environ.setdefault("LABKIT_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", os.environ["LABKIT_THREADS"])

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import openmm
import torch
from _bench import machine, parser
from openmm import app, unit

from labkit.base import State
from labkit.engine import Constraints, VelocityVerlet, kinetic_energy, simulate
from labkit.engine.observers import Record
from labkit.forcefield import import_openmm, state_from_openmm
from labkit.units import KB, KJ_PER_MOL

KELVIN, EVERY, BLOCKS = 300.0, 5, 20
CASES = ((False, 0.5), (False, 0.25), (True, 1.0), (True, 2.0))
LABELS = {"labkit": "labkit", "labkit_single": "labkit, pairs in float32", "openmm": "OpenMM"}
NM, PS = unit.nanometer, unit.nanometer / unit.picosecond


@dataclass(frozen=True)
class Drift:
    """Slopes and their standard errors, kT/ns per degree of freedom at 300 K."""

    name: str
    timestep_fs: float
    length_ps: float
    labkit: float
    labkit_error: float
    labkit_single: float
    labkit_single_error: float
    openmm: float
    openmm_error: float
    unit: str = "kT/ns/dof"


@dataclass(frozen=True, eq=False)
class Start:
    """An equilibrated box: positions nm, velocities nm/ps."""

    system: openmm.System
    topology: app.Topology
    positions: np.ndarray
    velocities: np.ndarray

    @property
    def free(self) -> int:
        return 3 * self.system.getNumParticles() - self.system.getNumConstraints() - 3


def equilibrated(rigid: bool, molecules: int = 100, picoseconds: float = 10.0) -> Start:
    forcefield = app.ForceField("amber14/tip3p.xml")
    modeller = app.Modeller(app.Topology(), [] * NM)
    modeller.addSolvent(forcefield, model="tip3p", numAdded=molecules, neutralize=False)
    reach = 0.48 * min(np.diagonal(np.array(modeller.topology.getPeriodicBoxVectors().value_in_unit(NM))))
    system = forcefield.createSystem(
        modeller.topology, nonbondedMethod=app.CutoffPeriodic, nonbondedCutoff=min(0.7, reach),
        switchDistance=min(0.7, reach) - 0.1, rigidWater=rigid, removeCMMotion=False,
    )  # fmt: skip
    dt = 0.001 if rigid else 0.0005
    integrator = openmm.LangevinMiddleIntegrator(KELVIN, 5.0, dt)
    integrator.setRandomNumberSeed(1)
    integrator.setConstraintTolerance(1e-9)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"), {"Threads": "1"})
    context.setPositions(modeller.positions)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=300)
    context.setVelocitiesToTemperature(KELVIN, 1)
    integrator.step(round(picoseconds / dt))
    context.applyConstraints(1e-12)
    context.applyVelocityConstraints(1e-12)
    now = context.getState(getPositions=True, getVelocities=True)
    velocities = np.array(now.getVelocities().value_in_unit(PS))
    masses = np.array([system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(len(velocities))])
    velocities -= masses @ velocities / masses.sum()
    return Start(system, modeller.topology, np.array(now.getPositions().value_in_unit(NM)), velocities)


def with_labkit(start: Start, dt: float, picoseconds: float, dtype: torch.dtype = torch.float64) -> np.ndarray:
    """Total energies, eV; dtype of the pairs."""
    taken = import_openmm(start.system)
    state = state_from_openmm(start.topology, start.positions, start.system)
    state = state.replace(velocities=torch.as_tensor(start.velocities * 1e-2))  # nm/ps to Å/fs
    constraints = Constraints(taken.constraint_atoms, taken.constraint_distances)

    def total(now: State) -> torch.Tensor:
        return now.energy + kinetic_energy(now)

    record, integrator = Record(total, EVERY), VelocityVerlet(constraints if len(constraints) else None)
    forcefield = taken.forcefield.pairs_in(dtype)
    simulate(state, forcefield, integrator, round(picoseconds * 1000 / dt), dt, observers=[record])
    return record.values.flatten().numpy()


def with_openmm(start: Start, dt: float, picoseconds: float) -> np.ndarray:
    """Total energies, eV."""
    rule = openmm.CustomIntegrator(dt / 1000)
    rule.addPerDofVariable("free", 0)
    rule.addComputePerDof("v", "v+0.5*dt*f/m")
    rule.addComputePerDof("x", "x+dt*v")
    rule.addComputePerDof("free", "x")
    rule.addConstrainPositions()
    rule.addComputePerDof("v", "v+(x-free)/dt+0.5*dt*f/m")
    rule.addConstrainVelocities()
    rule.setConstraintTolerance(1e-10)
    context = openmm.Context(start.system, rule, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(start.positions)
    context.setVelocities(start.velocities)
    found = []
    for _ in range(round(picoseconds * 1000 / dt / EVERY)):
        now = context.getState(getEnergy=True)
        found.append((now.getPotentialEnergy() + now.getKineticEnergy()).value_in_unit(unit.kilojoule_per_mole))
        rule.step(EVERY)
    return np.array(found) * KJ_PER_MOL


def slope(energies: np.ndarray, dt: float, free: int, blocks: int = BLOCKS) -> tuple[float, float]:
    """Slope and its standard error, kT/ns per degree of freedom, of energies [eV] `EVERY` steps apart."""
    size = len(energies) // blocks
    means = energies[: size * blocks].reshape(blocks, size).mean(1) / (KB * KELVIN * free)
    time = (np.arange(blocks) + 0.5) * size * EVERY * dt * 1e-6  # ns
    (rise, _), covariance = np.polyfit(time, means, 1, cov=True)
    return float(rise), float(covariance[0, 0] ** 0.5)


def measured(rigid: bool, dt: float, picoseconds: float, molecules: int = 100, before: float = 10.0) -> Drift:
    """`before` are the picoseconds of equilibration."""
    start = equilibrated(rigid, molecules, before)
    ours = slope(with_labkit(start, dt, picoseconds), dt, start.free)
    single = slope(with_labkit(start, dt, picoseconds, torch.float32), dt, start.free)
    theirs = slope(with_openmm(start, dt, picoseconds), dt, start.free)
    return Drift(
        f"{'rigid' if rigid else 'flexible'} water, {molecules} molecules", dt, picoseconds, *ours, *single, *theirs
    )


def figure(rows: Sequence[Drift], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(7, 3.5), layout="constrained")
    FigureCanvasAgg(drawn)
    axes, places = drawn.add_subplot(), np.arange(len(rows))
    for shift, code, marker in ((-0.15, "labkit", "o"), (0.0, "labkit_single", "^"), (0.15, "openmm", "s")):
        values, errors = ([getattr(row, code + end) for row in rows] for end in ("", "_error"))
        axes.errorbar(places + shift, values, errors, fmt=marker, capsize=3, label=LABELS[code])
    axes.axhline(0, color="0.6", linewidth=1)
    axes.set_xticks(places, [f"{row.name.split(',')[0]}\n{row.timestep_fs:g} fs" for row in rows])
    axes.set_ylabel("slope of the total energy, kT/ns/dof")
    axes.legend()
    drawn.savefig(path, dpi=120)


def write(rows: Sequence[Drift], options) -> None:
    records = [asdict(row) for row in rows]
    if options.json:
        options.json.write_text(json.dumps(records, indent=1) + "\n")
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, records[0])
            writer.writeheader()
            writer.writerows(records)
    if options.png:
        figure(rows, options.png)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--ps", type=float, help="length of each run (10; with --full 100)")
    options = arguments.parse_args()
    print(machine())
    rows = []
    length = options.ps or (100.0 if options.full else 0.1 if options.small else 10.0)
    size = {"molecules": 30, "before": 0.1} if options.small else {}
    for rigid, dt in CASES[1:3] if options.small else CASES:
        rows.append(measured(rigid, dt, length, **size))
        r = rows[-1]
        slopes = {label: f"{getattr(r, c):.3g} ± {getattr(r, c + '_error'):.2g}" for c, label in LABELS.items()}
        print(f"{r.name}, {dt:g} fs: " + "; ".join(f"{k} {v}" for k, v in slopes.items()) + f" {r.unit}", flush=True)
        write(rows, options)  # as soon as they are known


if __name__ == "__main__":
    main()
