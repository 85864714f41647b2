"""Steps per second of chignolin (166 atoms, GBn2, rigid bonds to hydrogen, 4 u, 4 fs) and of OpenMM's CPU platform.

All through `simulate` with Langevin dynamics at 350 K: one replica, 16 in a batch, one under an umbrella on native
contacts. OpenMM runs with the same number of threads (LABKIT_THREADS, 1) and with 1 and 2; replicas run one after
another there.
`--before FOLDER` measures another checkout of labkit as well, in separate processes, alternating.
"""

from __future__ import annotations

import os

os.environ.setdefault("LABKIT_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", os.environ["LABKIT_THREADS"])

import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import openmm
from _bench import Row, compare, parser, report
from openmm import app, unit

from labkit.base import State
from labkit.engine import Constraints, Langevin, maxwell_boltzmann, simulate
from labkit.forcefield import import_openmm, state_from_openmm

THREADS = os.environ["LABKIT_THREADS"]
KELVIN, FRICTION, STEP, REPLICAS = 350.0, 1e-3, 4.0, 16
SLICE = 2.0  # s of each run
ITERATIONS = 200  # of the minimiser
STRUCTURE = Path(__file__).resolve().parents[1] / "data" / "chignolin" / "cln025.pdb"
SIDES = ("one", "replicas", "biased")


@cache
def built(iterations: int) -> tuple[openmm.System, app.Topology, np.ndarray]:
    pdb = app.PDBFile(str(STRUCTURE))
    modeller = app.Modeller(pdb.topology, pdb.positions)
    forcefield = app.ForceField("amber14/protein.ff14SB.xml", "implicit/gbn2.xml")
    modeller.addHydrogens(forcefield, pH=7.0)
    system = forcefield.createSystem(modeller.topology, constraints=app.HBonds, hydrogenMass=4 * unit.dalton)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(modeller.positions)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=iterations)
    positions = context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    return system, modeller.topology, np.array(positions)


def with_labkit(side: str, iterations: int = ITERATIONS) -> Callable[[int], None]:
    """Run this many steps; a step of 16 replicas counts as 16."""
    system, topology, positions = built(iterations)
    imported, state = import_openmm(system), state_from_openmm(topology, positions, system)
    potential, rigid, count = imported.forcefield, Constraints(*imported.constraints), 1
    if side == "replicas":
        count = REPLICAS
        potential, rigid = potential.repeat(count), rigid.repeat(count, state.system.n_atoms)
        state = State.from_atoms(state.to_atoms() * count)
    if side == "biased":
        from labkit.folding import NativeContacts, Umbrella

        ca = [atom.index for atom in topology.atoms() if atom.name == "CA"]
        potential = potential + Umbrella(NativeContacts(10 * positions[ca]), ca, [0.5], [16.0])
    integrator = Langevin(KELVIN, FRICTION, constraints=rigid)
    now = integrator.init(maxwell_boltzmann(state, KELVIN, constraints=rigid), potential)

    def run(steps: int) -> None:
        nonlocal now
        now = simulate(now, potential, integrator, max(1, steps // count), STEP)

    return run


def with_openmm(threads: str, iterations: int = ITERATIONS) -> Callable[[int], None]:
    system, _, positions = built(iterations)
    integrator = openmm.LangevinMiddleIntegrator(KELVIN, FRICTION * 1000, STEP / 1000)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"), {"Threads": threads})
    context.setPositions(positions)
    context.setVelocitiesToTemperature(KELVIN, 1)

    def run(steps: int) -> None:
        integrator.step(steps)
        context.getStepCount()  # the context must be kept alive, too

    return run


def rate(run: Callable[[int], None], steps: int) -> float:
    began = time.perf_counter()
    run(steps)
    return steps / (time.perf_counter() - began)


def steps_of(run: Callable[[int], None], length: float = SLICE) -> int:
    """The number of steps in about this many seconds, after compilation."""
    run(32)
    return max(32, int(length * rate(run, 64)))


def rate_there(folder: Path, side: str) -> float:
    """Steps per second of another checkout."""
    line = [sys.executable, __file__, "--rate", side]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout.split()[-1])


def measure(runs: int, before: Path | None, length: float = SLICE, iterations: int = ITERATIONS) -> list[Row]:
    sides: dict[str, Callable[[int], None]] = {name: with_labkit(name, iterations) for name in SIDES}
    peers = dict.fromkeys(dict.fromkeys((THREADS, "1", "2")))
    for threads in peers:
        sides[f"OpenMM CPU, {threads} thread{'s' * (threads != '1')}"] = with_openmm(threads, iterations)
    steps = {name: steps_of(run, length) for name, run in sides.items()}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    earlier: dict[str, list[float]] = {name: [] for name in ("one", "replicas")}
    for _ in range(runs):
        for name, run in sides.items():
            rates[name].append(rate(run, steps[name]))
        for name in earlier if before else ():
            earlier[name].append(rate_there(before, name))
    ours = f"labkit, {THREADS} thread{'s' * (THREADS != '1')}"
    rows = []
    for name in [name for name in sides if name.startswith("OpenMM")]:
        goal = 8.0 if name == f"OpenMM CPU, {THREADS} threads"[: len(name)] else None
        rows.append(compare(f"CLN025, {ours}", "steps/s", rates["one"], rates[name], name, goal, better="more"))
        rows.append(
            compare(f"CLN025, {REPLICAS} replicas, {ours}", "replica-steps/s", rates["replicas"], rates[name], name,
                    better="more")
        )  # fmt: skip
    rows.append(compare("CLN025 under an umbrella", "steps/s", rates["biased"], rates["one"], "without", 0.8, "more"))
    for name, goal in (("one", 3.0), ("replicas", 4.0)) if before else ():
        rows.append(compare(f"CLN025, {name}", "steps/s", rates[name], earlier[name], "before", goal, better="more"))
    return rows


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--before", type=Path, metavar="FOLDER", help="another checkout of labkit")
    arguments.add_argument("--rate", choices=SIDES, help="print the steps per second of one side only")
    options = arguments.parse_args()
    if options.rate:
        run = with_labkit(options.rate)
        print(rate(run, steps_of(run)))
        return
    if options.small:
        report(measure(1, options.before, 0.05, 20), options)
        return
    report(measure(5 if options.full else 3, options.before), options)


if __name__ == "__main__":
    main()
