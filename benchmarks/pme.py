"""Particle-mesh Ewald of 216 waters (648 atoms, cutoff 9 Å, tolerance 5e-4, splines of order 5) on one thread.

What PME adds to short-range pairs (reciprocal sum with forces and virial, self term, background, exclusions), compiled,
against torch-pme and autograd, and within a full step against OpenMM's CPU platform: a NonbondedForce alone,
Lennard-Jones and charges, by PME and by reaction field. The difference of the two is what PME costs in either code;
steps of OpenMM are so short that no atom moves. The goal is at most 3 ms for the first row.
"""

from __future__ import annotations

import os

os.environ["LABKIT_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable

import numpy as np
import openmm
import torch
from _bench import Row, compare, parser, report, seconds
from openmm import app, unit

from labkit.base import State
from labkit.forcefield import ForceField, from_openmm, state_from_openmm
from labkit.forcefield.fast.mesh import CompiledMesh

WATERS, CUTOFF, TOLERANCE = 216, 0.9, 5e-4  # CUTOFF in nm
CALLS = 20  # in each run


def built(method: object) -> tuple[openmm.System, app.Topology, np.ndarray]:
    """A System with only its NonbondedForce; positions in nm."""
    forcefield = app.ForceField("amber14/tip3pfb.xml")
    modeller = app.Modeller(app.Topology(), [] * unit.nanometer)
    modeller.addSolvent(forcefield, numAdded=WATERS, neutralize=False)
    system = forcefield.createSystem(
        modeller.topology, nonbondedMethod=method, nonbondedCutoff=CUTOFF, rigidWater=False,
        ewaldErrorTolerance=TOLERANCE,
    )  # fmt: skip
    for number in reversed(range(system.getNumForces())):
        if not isinstance(system.getForce(number), openmm.NonbondedForce):
            system.removeForce(number)
    return system, modeller.topology, np.array(modeller.positions.value_in_unit(unit.nanometer))


def with_openmm(system: openmm.System, positions: np.ndarray) -> Callable[[], object]:
    integrator = openmm.VerletIntegrator(1e-12)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"), {"Threads": "1"})
    context.setPositions(positions)

    def run() -> None:
        integrator.step(CALLS)
        context.getStepCount()  # the context must be kept alive, too

    return run


def with_labkit(forcefield: ForceField, state: State) -> Callable[[], object]:
    step, positions, forces = forcefield.compiled(state), state.positions.numpy(), np.empty(state.positions.shape)
    return lambda: [step(positions, forces) for _ in range(CALLS)]


def mesh_compiled(forcefield: ForceField, state: State) -> Callable[[], object]:
    kernel = CompiledMesh(forcefield.terms["pme"])
    kernel.begin(state)
    positions, cell = state.positions.numpy(), state.cell.numpy()
    sums = np.zeros(1), np.zeros(positions.shape), np.zeros(cell.shape)
    return lambda: [kernel.add(positions, cell, *sums) for _ in range(CALLS)]


def mesh_by_autograd(forcefield: ForceField, state: State) -> Callable[[], object]:
    term = forcefield.terms["pme"]

    def once() -> None:
        strain = torch.zeros_like(state.cell, requires_grad=True)
        positions = state.positions.clone().requires_grad_()
        deformation = torch.eye(3, dtype=torch.float64) + strain
        energy = term.rest(state.system, positions @ deformation[0], state.cell @ deformation)
        torch.autograd.grad(energy.sum(), [positions, strain])

    return lambda: [once() for _ in range(CALLS)]


def measured(runs: int) -> list[Row]:
    (pme, topology, positions), (field, _, _) = built(app.PME), built(app.CutoffPeriodic)
    state, forcefield = state_from_openmm(topology, positions, pme), from_openmm(pme)
    works = {
        "mesh": mesh_compiled(forcefield, state),
        "autograd": mesh_by_autograd(forcefield, state),
        "pme": with_labkit(forcefield, state),
        "field": with_labkit(from_openmm(field), state),
        "openmm pme": with_openmm(pme, positions),
        "openmm field": with_openmm(field, positions),
    }
    for work in works.values():
        work()
    times = {name: np.empty(runs) for name in works}
    for run in range(runs):
        for name, work in works.items():
            times[name][run] = 1000 * seconds(work) / CALLS
    more, peers = times["pme"] - times["field"], times["openmm pme"] - times["openmm field"]
    ours = "PME beside near pairs, 648 atoms"
    return [
        compare(ours, "ms", times["mesh"], times["autograd"], "torch-pme, autograd"),
        compare("PME less reaction field, 648 atoms", "ms", more, peers, "OpenMM CPU"),
        compare("Lennard-Jones and PME, 648 atoms", "ms", times["pme"], times["openmm pme"], "OpenMM CPU"),
    ]


def main() -> None:
    options = parser(__doc__).parse_args()
    report(measured(50 if options.full else 1 if options.small else 15), options)


if __name__ == "__main__":
    main()
