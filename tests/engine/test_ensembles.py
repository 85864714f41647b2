"""Ensembles of an argon-like fluid and of small molecules, judged by the package physical_validation.

Replicas at two state points run in one batch, so that frames of all of them at a few moments are independent samples.
Distances are in standard errors; with a fixed seed 3.5 is passed by what is right, and small errors are found because
there are thousands of samples.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import bulk

from labkit.base import State
from labkit.engine import (
    CellRescaling,
    Csvr,
    Langevin,
    VelocityVerlet,
    kinetic_energy,
    maxwell_boltzmann,
)
from labkit.forcefield import ForceField, LennardJones
from labkit.units import GPA, KB, KINETIC, KJ_PER_MOL
from tests.engine.tiny import Wells, rigid_water, water, water_springs

validation = pytest.importorskip("physical_validation")
pytestmark = pytest.mark.filterwarnings("ignore")

QUIET = {"verbosity": 0, "data_is_uncorrelated": True}
UNITS = validation.data.UnitData(
    kb=KB, energy_conversion=1 / KJ_PER_MOL, length_conversion=0.1, volume_conversion=1e-3,
    temperature_conversion=1.0, pressure_conversion=GPA * 1.602176634e6, time_conversion=1e-3,
)  # fmt: skip


def fluid(replicas: int, repeat: int = 2, side: float = 6.2, seed: int = 3) -> tuple[State, ForceField]:
    """Liquid argon, 4 repeat³ atoms in each replica; Lennard-Jones with a switch, so that forces are smooth."""
    frame = bulk("Ar", a=side, cubic=True) * repeat
    n = len(frame)
    term = LennardJones([3.4] * n, [0.0104] * n, cutoff=0.49 * side * repeat, switch=0.39 * side * repeat)
    state = State.from_atoms([frame] * replicas, seed=seed)
    return state, ForceField({"lj": term}, n).repeat(replicas)


def sampled(state, potential, integrator, dt, equilibration, frames, stride):
    """States every `stride` steps after `equilibration` steps."""
    found = []
    with torch.no_grad():
        now = integrator.init(state, potential)
        for step in range(1, equilibration + frames * stride + 1):
            now = integrator.step(now, potential, dt)
            if step > equilibration and (step - equilibration) % stride == 0:
                found.append(now)
    return found


def data(states, which, integrator, ensemble, **system):
    """SimulationData of the replicas `which` of all states, one frame each."""
    pick = lambda values: torch.cat([values(s)[which] for s in states]).numpy()  # noqa: E731
    n_atoms = int(states[0].system.counts[0])
    free = float(integrator.degrees_of_freedom(states[0].system)[0])
    conserves = 3 if isinstance(integrator, Csvr) else 0
    potential, kinetic = pick(lambda s: s.energy), pick(kinetic_energy)
    return validation.data.SimulationData(
        units=UNITS,
        system=validation.data.SystemData(
            natoms=n_atoms, nconstraints=3 * n_atoms - conserves - free, ndof_reduction_tra=conserves,
            ndof_reduction_rot=0, mass=states[0].system.masses[:n_atoms].numpy(), **system,
        ),
        ensemble=validation.data.EnsembleData(natoms=n_atoms, **ensemble),
        observables=validation.data.ObservableData(
            kinetic_energy=kinetic, potential_energy=potential, total_energy=kinetic + potential,
            volume=pick(State.volume),
        ),
    )  # fmt: skip


def constant_volume(kind: str, replicas: int, frames: int, stride: int, equilibration: int = 200):
    """Two temperatures about a width of the energies apart: the data of both."""
    low, high = 300.0, 337.0
    wanted = torch.tensor([low, high], dtype=torch.float64).repeat(replicas)
    state, potential = fluid(2 * replicas)
    state = maxwell_boltzmann(state, wanted)
    integrator = Langevin(wanted, 0.01) if kind == "langevin" else Csvr(wanted, 100.0)
    states = sampled(state, potential, integrator, 5.0, equilibration, frames, stride)
    volume = float(state.volume()[0])
    return [
        data(states, slice(k, None, 2), integrator, {"ensemble": "NVT", "volume": volume, "temperature": t})
        for k, t in enumerate((low, high))
    ]


def check_constant_volume(found) -> None:
    for one in found:
        assert validation.kinetic_energy.distribution(one, strict=True, **QUIET) > 1e-3
        near = validation.kinetic_energy.distribution(one, strict=False, bootstrap_seed=1, **QUIET)
        assert max(abs(x) for x in near) < 3.5
    for total in (False, True):
        distance = validation.ensemble.check(*found, total_energy=total, **QUIET)
        assert max(abs(x) for x in distance) < 3.5


@pytest.mark.parametrize("kind", ["langevin", "csvr"])
def test_constant_volume(kind) -> None:
    check_constant_volume(constant_volume(kind, replicas=20, frames=5, stride=50))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["langevin", "csvr"])
def test_constant_volume_with_thousands_of_samples(kind) -> None:
    check_constant_volume(constant_volume(kind, replicas=50, frames=30, stride=100, equilibration=1000))


def test_a_wrong_temperature_is_found() -> None:
    """The checks can fail: the second set of samples is labelled 8 % too hot."""
    found = constant_volume("csvr", replicas=20, frames=5, stride=50)
    found[1].ensemble = validation.data.EnsembleData(
        "NVT", 32, volume=found[1].ensemble.volume, temperature=1.08 * 337.0
    )
    assert max(abs(x) for x in validation.kinetic_energy.distribution(found[1], **QUIET)) > 3.5


def check_constant_pressure(replicas: int, frames: int, stride: int, equilibration: int, every: int, n: int) -> None:
    """Volumes at two pressures and, where n is 3, enthalpies at two temperatures."""
    pressures, temperatures = (0.16, 0.213), (300.0, 337.0)
    points = [(temperatures[0], pressures[0]), (temperatures[0], pressures[1]), (temperatures[1], pressures[0])][:n]
    temperature, pressure = torch.tensor(points, dtype=torch.float64).repeat(replicas, 1).T
    state, potential = fluid(n * replicas)
    integrator = CellRescaling(temperature, pressure, 0.01, time=200.0, compressibility=2.0, every=every)
    state = maxwell_boltzmann(state, temperature, com_removed=False)
    states = sampled(state, potential, integrator, 5.0, equilibration, frames, stride)
    found = [
        data(states, slice(k, None, n), integrator, {"ensemble": "NPT", "temperature": t, "pressure": p})
        for k, (t, p) in enumerate(points)
    ]
    for one in found:
        assert validation.kinetic_energy.distribution(one, strict=True, **QUIET) > 1e-3
    for other in found[1:]:
        distance = validation.ensemble.check(found[0], other, **QUIET)
        assert max(abs(x) for x in distance) < 3.5
    volumes = [one.observables.volume for one in found]
    assert volumes[0].mean() > volumes[1].mean() and np.std(volumes[0]) > 0.02 * volumes[0].mean()


def test_constant_pressure() -> None:
    check_constant_pressure(replicas=24, frames=4, stride=50, equilibration=150, every=3, n=2)


@pytest.mark.slow
def test_constant_pressure_with_thousands_of_samples() -> None:
    check_constant_pressure(replicas=30, frames=20, stride=150, equilibration=600, every=2, n=3)


@pytest.mark.parametrize("rigid", [False, True])
def test_equipartition(rigid) -> None:
    """Molecules' translation, rotation and vibration have the same temperature, in wells that mix them."""
    molecules, replicas, kelvin = 2, 400, 300.0
    frame = water() + water()  # they do not see each other
    bonds = rigid_water().repeat(molecules * replicas, 3)
    constraints = bonds if rigid else None
    potential = Wells(0.05) if rigid else Wells(0.05) + water_springs(replicas=molecules * replicas)
    state = State.from_atoms([frame] * replicas, seed=4)
    integrator = Langevin(kelvin, 0.1, constraints)
    state = maxwell_boltzmann(state, 150.0, constraints=constraints, com_removed=False)
    (now,) = sampled(state, potential, integrator, 1.0 if rigid else 0.5, 200, 1, 100)
    n = 3 * molecules
    one = data(
        [now], slice(None), integrator, {"ensemble": "NVT", "volume": 1e3, "temperature": kelvin},
        molecule_idx=np.arange(0, n, 3), nconstraints_per_molecule=np.full(molecules, 3 if rigid else 0),
    )  # fmt: skip
    one.trajectory = validation.data.TrajectoryData(
        now.positions.view(replicas, n, 3).numpy(),
        (KINETIC**0.5 * now.velocities).view(replicas, n, 3).numpy(),  # so that ½ m v² is in eV
    )
    distances = validation.kinetic_energy.equipartition(one, bootstrap_seed=1, **QUIET)
    assert np.abs(distances).max() < 3.5 and len(distances) == (4 if rigid else 5)


@pytest.mark.parametrize("which", ["fluid", "rigid water"])
def test_energy_fluctuations_of_nve_grow_as_the_square_of_the_timestep(which) -> None:
    runs, kind = [], validation.data
    if which == "fluid":
        state, potential = fluid(1)
        state, integrator, longest, time = maxwell_boltzmann(state, 160.0), VelocityVerlet(), 16.0, 1600.0
        state = sampled(state, potential, Langevin(160.0, 0.05), 5.0, 100, 1, 1)[0]
    else:
        constraints, potential = rigid_water().repeat(20, 3), Wells(0.5)
        state = State.from_atoms([water()] * 20, seed=6)
        state = maxwell_boltzmann(state, 300.0, constraints=constraints, com_removed=False)
        integrator, longest, time = VelocityVerlet(constraints, com_removed=False), 1.6, 200.0
    for halvings in range(3):
        dt = longest / 2**halvings
        states = sampled(state, potential, integrator, dt, 0, round(time / dt), 1)
        total = torch.stack([integrator.conserved(s).sum() for s in states]).numpy()
        n = state.system.n_atoms
        runs.append(
            kind.SimulationData(
                UNITS, dt, kind.SystemData(natoms=n), kind.EnsembleData("NVE", n, volume=1e3, energy=1.0),
                kind.ObservableData(constant_of_motion=total),
            )
        )  # fmt: skip
    assert validation.integrator.convergence(runs, verbose=False) < 0.15
