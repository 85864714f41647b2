"""Density of rigid TIP3P water at 1 bar and 300 K, compared with OpenMM (CPU platform), with error bars.

216 molecules, 2 fs, reaction field and Lennard-Jones to 8 Å with a switch from 7 Å and the long-range correction, the
same minimised start, the same lengths: 20 ps are left out, the rest is averaged in blocks of 10 ps. OpenMM moves the
volume by Monte Carlo, labkit by stochastic cell rescaling; both use Langevin dynamics. The switch matters: without it
energies jump at the cutoff, which Monte Carlo of volumes sees and a virial does not (about 200 bar, 1 % in density).

--log FOLDER writes every density at once, and the checkpoint from which labkit's run resumes.
"""

from __future__ import annotations

import os

os.environ.setdefault("LABKIT_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", os.environ["LABKIT_THREADS"])

import tempfile
from pathlib import Path

import numpy as np
import openmm
from _bench import compare, parser, report
from openmm import app, unit

from labkit.base import State
from labkit.engine import CellRescaling, Constraints, maxwell_boltzmann, simulate
from labkit.engine.observers import Record
from labkit.forcefield import import_openmm, state_from_openmm

STEP, KELVIN, FRICTION, BAR = 2.0, 300.0, 0.005, 1e-4  # fs, K, 1/fs, GPa
EVERY, BLOCK, LEFT_OUT = 50, 10.0, 20.0  # steps between two densities; ps
GRAM_PER_CM3 = 1.66053906660  # of 1 u/Å^3


def built(molecules: int) -> tuple[openmm.System, app.Topology, np.ndarray]:
    forcefield = app.ForceField("amber14/tip3p.xml")
    modeller = app.Modeller(app.Topology(), [] * unit.nanometer)
    modeller.addSolvent(forcefield, model="tip3p", numAdded=molecules, neutralize=False)
    half = 0.45 * min(np.diagonal(np.array(modeller.topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer))))
    cutoff = min(0.8, half)
    system = forcefield.createSystem(
        modeller.topology, nonbondedMethod=app.CutoffPeriodic, nonbondedCutoff=cutoff, switchDistance=cutoff - 0.1
    )
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(modeller.positions)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=300)
    positions = context.getState(getPositions=True).getPositions()
    return system, modeller.topology, np.array(positions.value_in_unit(unit.nanometer))


def with_labkit(molecules: int, picoseconds: float, folder: Path, seed: int = 1) -> np.ndarray:
    """Densities, g/cm^3, one every 0.1 ps."""
    system, topology, positions = built(molecules)
    taken = import_openmm(system)
    state = state_from_openmm(topology, positions, system, seed=seed)
    constraints = Constraints(taken.constraint_atoms, taken.constraint_distances)
    integrator = CellRescaling(KELVIN, BAR, FRICTION, time=500.0, every=20, constraints=constraints)

    def density(now: State):
        return GRAM_PER_CM3 * now.system.sum_over_atoms(now.system.masses) / now.volume()

    path = folder / "labkit.csv"
    simulate(
        maxwell_boltzmann(state, KELVIN, constraints=constraints), taken.forcefield, integrator,
        round(picoseconds * 1000 / STEP), STEP, observers=[Record(density, EVERY, path, ["density_g_per_cm3"])],
        checkpoint=folder / "labkit.checkpoint", checkpoint_every=1000,
    )  # fmt: skip
    return np.loadtxt(path, delimiter=",", skiprows=2)[:, 3]  # without the header and step 0


def with_openmm(molecules: int, picoseconds: float, folder: Path, seed: int = 1) -> np.ndarray:
    """Densities, g/cm^3, one every 0.1 ps."""
    system, _, positions = built(molecules)
    barostat = openmm.MonteCarloBarostat(1.0, KELVIN, 25)
    barostat.setRandomNumberSeed(seed)
    system.addForce(barostat)
    integrator = openmm.LangevinMiddleIntegrator(KELVIN, FRICTION * 1000, STEP / 1000)
    integrator.setRandomNumberSeed(seed)
    platform = openmm.Platform.getPlatformByName("CPU")
    context = openmm.Context(system, integrator, platform, {"Threads": os.environ["LABKIT_THREADS"]})
    context.setPositions(positions)
    context.setVelocitiesToTemperature(KELVIN, seed)
    mass = sum(system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(system.getNumParticles()))
    found = []
    with open(folder / "openmm.csv", "w", buffering=1) as file:
        for _ in range(round(picoseconds * 1000 / STEP / EVERY)):
            integrator.step(EVERY)
            volume = context.getState().getPeriodicBoxVolume().value_in_unit(unit.angstrom**3)
            found.append(GRAM_PER_CM3 * mass / volume)
            file.write(f"{found[-1]:.8g}\n")
    return np.array(found)


def blocks(densities: np.ndarray, left_out: float = LEFT_OUT, length: float = BLOCK) -> np.ndarray:
    """Means of blocks of `length` ps after the first `left_out` ps; an incomplete block at the end is dropped."""
    kept, size = (round(ps * 1000 / STEP / EVERY) for ps in (left_out, length))
    rest = densities[kept:]
    return rest[: len(rest) // size * size].reshape(-1, size).mean(1)


def mean_and_error(means: np.ndarray) -> tuple[float, float]:
    """The mean of blocks and its standard error."""
    return float(means.mean()), float(means.std(ddof=1) / len(means) ** 0.5)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--log", type=Path, help="keep densities and the checkpoint in this folder")
    arguments.add_argument("--ps", type=float, default=120.0, help="length of each run, 20 ps of which are left out")
    arguments.add_argument("--molecules", type=int, default=216)
    options = arguments.parse_args()
    left_out, block = LEFT_OUT, BLOCK
    if options.small:
        options.ps, options.molecules, left_out, block = 0.6, 30, 0.2, 0.1
    with tempfile.TemporaryDirectory() as folder:
        place = options.log or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        theirs = blocks(with_openmm(options.molecules, options.ps, place), left_out, block)
        print("OpenMM:  {:.4f} ± {:.4f} g/cm^3".format(*mean_and_error(theirs)), flush=True)
        ours = blocks(with_labkit(options.molecules, options.ps, place), left_out, block)
        print("labkit:  {:.4f} ± {:.4f} g/cm^3".format(*mean_and_error(ours)), flush=True)
    name = f"density of rigid TIP3P, {options.molecules} molecules, blocks of {block:g} ps"
    report([compare(name, "g/cm^3", ours, theirs, "OpenMM CPU", better="more")], options)


if __name__ == "__main__":
    main()
