"""Steps per second of the engine, OpenMM (CPU platform) and TorchMD: the same systems, cutoff and threads.

Flexible molecules, Langevin dynamics at 300 K with 0.5 fs, reaction field with a cutoff of 9 Å (7 Å for 97 waters: a
small box). All compute pairs in single precision, as OpenMM's CPU platform and TorchMD do; `--double`: not labkit.
OpenMM runs with the threads of labkit (LABKIT_THREADS, 1) and with two, and replicas one after another: its best is the
faster row. `--busy` keeps one core at work meanwhile: an idle virtual machine may be slow to wake OpenMM's threads.
TorchMD is installed for this alone (python -m pip install torchmd==1.1.2 moleculekit parmed); where it is missing, or
cannot run a system, its rows are left out, with a message.
"""

from __future__ import annotations

import os

os.environ.setdefault("LABKIT_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", os.environ["LABKIT_THREADS"])

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import openmm
import torch
from _bench import Row, alternate, compare, parser, report
from openmm import app, unit

from labkit.base import State
from labkit.engine import Langevin, maxwell_boltzmann, simulate
from labkit.forcefield.openmm.reader import from_openmm
from labkit.forcefield.openmm.state import state_from_openmm

THREADS = os.environ["LABKIT_THREADS"]
FILES = ("amber14-all.xml", "amber14/tip3pfb.xml")
STEP, KELVIN, FRICTION = 0.5, 300.0, 0.01  # fs, K, 1/fs
SLICE = 1.5  # s of each run
GOALS = {"OpenMM CPU": 1.0, "TorchMD": 20.0}


@dataclass(frozen=True, eq=False)
class Built:
    """A system for all three codes; cutoff in Å, None for all pairs."""

    name: str
    system: openmm.System
    topology: app.Topology
    positions: np.ndarray  # nm
    cutoff: float | None
    replicas: int = 1


def solvated(name: str, modeller: app.Modeller, cutoff: float, **solvent: object) -> Built:
    forcefield = app.ForceField(*FILES)
    modeller.addSolvent(forcefield, neutralize=False, **solvent)
    system = forcefield.createSystem(
        modeller.topology, nonbondedMethod=app.CutoffPeriodic, nonbondedCutoff=cutoff / 10, rigidWater=False
    )
    return _relaxed(Built(name, system, modeller.topology, _nm(modeller.positions), cutoff))


def dipeptide() -> app.Modeller:
    """ACE-ALA-NME, put together from the templates of the force field."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from forcefield.systems import alanine_dipeptide

    _, topology, positions = alanine_dipeptide()
    return app.Modeller(topology, positions * unit.nanometer)


def villin() -> app.Modeller:
    pdb = app.PDBFile(str(Path(app.__file__).parent / "data" / "test.pdb"))
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.delete([r for r in modeller.topology.residues() if r.name in ("HOH", "Cl", "CL")])
    return modeller


def systems(full: bool, small: bool) -> list[Built]:
    if small:
        return [solvated("97 waters", app.Modeller(app.Topology(), [] * unit.nanometer), 7.0, numAdded=97)]
    empty = app.Modeller(app.Topology(), [] * unit.nanometer)
    alone = dipeptide()
    vacuum = app.ForceField(FILES[0]).createSystem(alone.topology)
    found = [
        solvated("97 waters", app.Modeller(app.Topology(), [] * unit.nanometer), 7.0, numAdded=97),
        solvated("alanine dipeptide in water", dipeptide(), 9.0, numAdded=223),
        solvated("villin in water", villin(), 9.0, padding=0.45 * unit.nanometer),
        _relaxed(Built("replicas of alanine dipeptide", vacuum, alone.topology, _nm(alone.positions), None, 1000)),
    ]
    if full:
        found.append(solvated("20,000 atoms of water", empty, 9.0, numAdded=6667))
    return found


def _nm(positions: unit.Quantity) -> np.ndarray:
    return np.array(positions.value_in_unit(unit.nanometer))


def _relaxed(built: Built) -> Built:
    context = openmm.Context(built.system, openmm.VerletIntegrator(0.0005), openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(built.positions)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=200)
    positions = _nm(context.getState(getPositions=True).getPositions())
    return Built(built.name, built.system, built.topology, positions, built.cutoff, built.replicas)


def with_labkit(built: Built, dtype: torch.dtype = torch.float32) -> Callable[[int], None]:
    forcefield = from_openmm(built.system).pairs_in(dtype)
    state = state_from_openmm(built.topology, built.positions, built.system)
    if built.replicas > 1:
        forcefield = forcefield.repeat(built.replicas)
        state = State.from_atoms(state.to_atoms() * built.replicas)
    integrator = Langevin(temperature=KELVIN, friction=FRICTION)
    now = integrator.init(maxwell_boltzmann(state, KELVIN), forcefield)

    def run(steps: int) -> None:
        nonlocal now
        now = simulate(now, forcefield, integrator, steps, STEP)  # raises if something explodes

    return run


def with_openmm(built: Built, threads: str = THREADS) -> Callable[[int], None]:
    integrator = openmm.LangevinMiddleIntegrator(KELVIN, FRICTION * 1000, STEP / 1000)
    platform = openmm.Platform.getPlatformByName("CPU")
    context = openmm.Context(built.system, integrator, platform, {"Threads": threads})
    context.setPositions(built.positions)
    context.setVelocitiesToTemperature(KELVIN, 1)

    def run(steps: int) -> None:
        integrator.step(steps * built.replicas)  # replicas run one after another there
        context.getStepCount()  # the context must be kept alive, too

    return run


def with_torchmd(built: Built) -> Callable[[int], None]:
    import parmed
    from moleculekit.molecule import Molecule
    from torchmd.forcefields.forcefield import ForceField
    from torchmd.forces import Forces
    from torchmd.integrator import Integrator, maxwell_boltzmann
    from torchmd.parameters import Parameters
    from torchmd.systems import System

    terms = ["bonds", "angles", "dihedrals", "impropers", "1-4", "electrostatics", "lj"]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "it.prmtop")
        parmed.openmm.load_topology(built.topology, built.system, built.positions * unit.nanometer).save(path)
        molecule = Molecule(path)
        parameters = Parameters(ForceField.create(molecule, path), molecule, terms, precision=torch.float32)
    system = System(molecule.numAtoms, built.replicas, torch.float32, "cpu")
    system.set_positions(np.repeat(built.positions[:, :, None] * 10, built.replicas, 2).astype(np.float32))
    vectors = built.topology.getPeriodicBoxVectors()
    box = np.zeros(3) if built.cutoff is None else np.diagonal(_nm(vectors)) * 10
    system.set_box(np.repeat(box[:, None], built.replicas, 1).astype(np.float32))
    system.set_velocities(maxwell_boltzmann(parameters.masses, T=KELVIN, replicas=built.replicas))
    forces = Forces(parameters, terms=terms, cutoff=built.cutoff, rfa=built.cutoff is not None)
    forces.compute(system.pos, system.box, system.forces)
    integrator = Integrator(system, forces, STEP, "cpu", gamma=FRICTION * 1000, T=KELVIN)
    return lambda steps: integrator.step(niter=steps)


def rows_of(built: Built, runs: int, dtype: torch.dtype, length: float = SLICE) -> list[Row]:
    atoms = built.system.getNumParticles()
    name = f"{built.name}, {atoms:,} atoms" if built.replicas == 1 else f"{built.replicas:,} {built.name}"
    ours, rows = with_labkit(built, dtype), []
    peers = {f"OpenMM CPU, {n} thread{'s' * (n != '1')}": partial(with_openmm, threads=n) for n in (THREADS, "2")}
    for peer, make in {**peers, "TorchMD": with_torchmd}.items():
        if peer == "TorchMD" and atoms > 10_000:
            print(f"{name}: {peer} lists all {atoms * (atoms - 1) // 2:,} pairs and is not tried", flush=True)
            continue
        try:
            theirs = make(built)
            steps = _steps(ours, length), _steps(theirs, length)
        except Exception as error:  # noqa: BLE001 - whatever a peer raises, the others are measured
            print(f"{name}: {peer} does not run it ({type(error).__name__}: {str(error)[:100]})", flush=True)
            continue
        seconds = alternate(partial(ours, steps[0]), partial(theirs, steps[1]), runs)
        rates = [[n / s for s in times] for n, times in zip(steps, seconds, strict=True)]
        goal = 100.0 if built.replicas > 1 and peer == "TorchMD" else GOALS[peer.split(",")[0]]
        rows.append(compare(name, "steps/s", *rates, peer, goal, better="more"))
        print(f"{name}: {rows[-1].labkit:.4g} and {rows[-1].peer:.4g} steps/s ({peer})", flush=True)
    return rows


def _steps(run: Callable[[int], None], length: float) -> int:
    """The number of steps that take about this many seconds; the first ones also compile."""
    run(2)
    began = time.perf_counter()
    run(2)
    return int(np.clip(length / ((time.perf_counter() - began) / 2), 2, 5000))


@contextmanager
def beside_work() -> Iterator[None]:
    """Run a process that computes on one core meanwhile."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def memory(side: int) -> tuple[int, float]:
    """Atoms, and GB at the peak of two steps, of side³ boxes of 1,000 waters, in a separate process."""
    line = [sys.executable, __file__, "--memory", str(side)]
    atoms, size = subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()[-2:]
    return int(atoms), float(size)


def measure_memory(side: int) -> None:
    unit_box = solvated("", app.Modeller(app.Topology(), [] * unit.nanometer), 9.0, numAdded=1000)
    state = state_from_openmm(unit_box.topology, unit_box.positions, unit_box.system).to_atoms()[0]
    many = State.from_atoms(state.repeat((side, side, side)))
    forcefield = from_openmm(unit_box.system).repeat(side**3)
    integrator = Langevin(temperature=KELVIN, friction=FRICTION)
    simulate(maxwell_boltzmann(many, KELVIN), forcefield, integrator, 2, STEP)
    print(many.system.n_atoms, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--memory", type=int, help="only the memory of this many boxes a side")
    arguments.add_argument("--double", action="store_true", help="pairs of labkit in double precision")
    arguments.add_argument("--busy", action="store_true", help="beside a process that keeps one core at work")
    options = arguments.parse_args()
    if options.memory:
        measure_memory(options.memory)
        return
    dtype, runs = torch.float64 if options.double else torch.float32, 5 if options.full else 3
    length, runs = (0.1, 1) if options.small else (SLICE, runs)
    with beside_work() if options.busy else nullcontext():
        found = systems(options.full, options.small)
        rows = [row for built in found for row in rows_of(built, runs, dtype, length)]
    if options.full:
        for side in (2, 3, 4):
            atoms, size = memory(side)
            rows.append(compare(f"peak memory, {atoms:,} atoms", "GB", [size], [4.0], "limit", 1.0))
    report(rows, options)


if __name__ == "__main__":
    main()
