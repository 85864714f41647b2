"""Volumes of NPT against their distribution in closed form: ideal gases of atoms and of rigid molecules; a crystal."""

import pandas as pd
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from scipy import stats

from labkit.base import ModulePotential, Potential, State
from labkit.engine import (
    CellRescaling,
    Constraints,
    VelocityVerlet,
    internal_pressure,
    kinetic_energy,
    maxwell_boltzmann,
    simulate,
)
from labkit.engine.cell_rescaling import centres
from labkit.engine.observers import Thermodynamics
from labkit.errors import LabkitError
from labkit.units import GPA, KB, KINETIC
from tests.engine.tiny import Breathing, Lonely, Pair, rigid_water, water

T, PRESSURE = 300.0, 0.01
THERMAL = KB * T / (GPA * PRESSURE)  # Å^3: the volume of one particle of an ideal gas


def volumes(frame: Atoms, systems: int, particles: int, potential: Potential, constraints: Constraints | None = None):
    frame = frame.copy()
    frame.set_cell([((particles + 1) * THERMAL) ** (1 / 3)] * 3)
    frame.pbc = True
    state = State.from_atoms([frame] * systems, seed=8)
    repeated = None if constraints is None else constraints.repeat(systems, len(frame))
    integrator = CellRescaling(
        torch.full((systems,), T), PRESSURE, 0.02, 50.0, compressibility=1 / PRESSURE, every=2, constraints=repeated
    )
    state = integrator.init(maxwell_boltzmann(state, T, constraints=repeated, com_removed=False), potential)
    for _ in range(300):
        state = integrator.step(state, potential, 1.0)
    return state


def test_ideal_gas() -> None:
    """p(V) ~ V^N exp(-PV/k_B T)."""
    frame = Atoms("Ar5", [[i, 0.5 * i, 0.1 * i] for i in range(5)])
    state = volumes(frame, 1500, 5, Lonely())
    assert stats.kstest(state.volume().numpy(), stats.gamma(6, scale=THERMAL).cdf).pvalue > 1e-3
    assert stats.kstest((kinetic_energy(state) / (KB * T)).numpy(), stats.gamma(7.5).cdf).pvalue > 1e-3


def test_ideal_gas_of_rigid_molecules() -> None:
    """The same with N molecules: their insides neither take part in the volume nor are they deformed."""
    frame = water()
    other = water()
    other.positions += [3.0, 1.0, 0.0]
    state = volumes(frame + other, 400, 2, Lonely(), rigid_water().repeat(2, 3))
    assert stats.kstest(state.volume().numpy(), stats.gamma(3, scale=THERMAL).cdf).pvalue > 1e-3
    bonds = state.positions.view(-1, 3, 3)
    assert float(((bonds[:, 1] - bonds[:, 0]).norm(dim=1) - 0.9572).abs().max()) < 1e-8


def test_stress_drives_the_cell() -> None:
    """p(V) ~ V^N exp(-(E(V) + PV)/k_B T) with a stress from the potential, in triclinic cells."""
    volume, modulus, n = 100.0, 2.0 * GPA, 3
    frame = Atoms("Ar3", [[0, 0, 0], [1, 0, 0], [0, 1, 0]], cell=[[4.5, 0, 0], [1, 4.5, 0], [0.5, 1, 5]], pbc=True)
    frame.set_cell(frame.cell * (volume / frame.get_volume()) ** (1 / 3))
    state = State.from_atoms([frame] * 1500, seed=2)
    potential = Breathing(modulus, volume)
    integrator = CellRescaling(T, 0.1, 0.02, 50.0, compressibility=0.5, every=2)
    state = integrator.init(maxwell_boltzmann(state, T, com_removed=False), potential)
    for _ in range(300):
        state = integrator.step(state, potential, 1.0)
    grid = torch.linspace(20, 300, 20001, dtype=torch.float64)
    energy = 0.5 * modulus * (grid - volume) ** 2 / volume + 0.1 * GPA * grid
    density = torch.exp(n * grid.log() - energy / (KB * T) - (n * grid.log() - energy / (KB * T)).max())
    mass = torch.cumsum(density, 0) / density.sum()

    def cdf(v):
        return torch.as_tensor(mass)[torch.searchsorted(grid, torch.as_tensor(v)).clamp_max(20000)].numpy()

    assert stats.kstest(state.volume().numpy(), cdf).pvalue > 1e-3


def test_pressure_is_the_derivative_with_respect_to_volume() -> None:
    """Also that of rigid clusters, by finite differences of moving their centres."""
    frame = bulk("Ar", cubic=True, a=5.0) * 2
    frame.rattle(0.1, seed=1)
    constraints = Constraints(torch.tensor([[0, 1], [0, 2], [5, 4]]), torch.ones(3))
    state, potential = State.from_atoms(frame), Pair(cutoff=4.9)
    found = potential.evaluate(state, stress=True)
    state = state.replace(forces=found.forces, aux={"stress": found.stress})
    middles, momenta, arms = centres(state, constraints)
    assert float(arms.abs().max()) > 1.0 and float(momenta.abs().max()) == 0
    energies = []
    for change in (1e-5, -1e-5):
        moved = state.replace(positions=state.positions + change * middles, cell=state.cell * (1 + change))
        energies.append(float(potential.evaluate(moved, forces=False).energy))
    expected = -(energies[0] - energies[1]) / 2e-5 / (3 * float(state.volume()))
    assert float(internal_pressure(state, constraints)) == pytest.approx(expected, rel=1e-6)
    plain = -float(found.stress[0].trace()) / 3
    assert float(internal_pressure(state)) == pytest.approx(plain) and abs(plain / expected - 1) > 1e-3


def test_pressure_in_the_log_of_a_gas_of_rigid_molecules(tmp_path) -> None:
    """P = 2 K/(3 V) with K of the centres alone: what holds the molecules together is no pressure."""
    frame = Atoms("OHOOH", [[1, 1, 1], [1.9, 1, 1], [5, 5, 5], [3, 8, 8], [3.5, 8.7, 8]], cell=[10] * 3, pbc=True)
    constraints = Constraints(torch.tensor([[0, 1], [3, 4]]), torch.tensor([0.9, 0.74**0.5]))
    state = maxwell_boltzmann(State.from_atoms(frame, seed=3), T, constraints=constraints)
    momenta = torch.stack([(state.system.masses[:, None] * state.velocities)[a].sum(0) for a in ([0, 1], [2], [3, 4])])
    masses = torch.stack([state.system.masses[a].sum() for a in ([0, 1], [2], [3, 4])])
    expected = float(KINETIC * (momenta.square().sum(1) / masses).sum() / (3 * 1000.0 * GPA))
    log = Thermodynamics(tmp_path / "log.csv", every=1, pressure=True)
    simulate(state, Lonely(), VelocityVerlet(constraints), 5, 1.0, observers=[log])
    found = pd.read_csv(tmp_path / "log.csv").pressure_GPa
    assert found.tolist() == pytest.approx([expected] * 6, rel=1e-8)
    assert float(2 * kinetic_energy(state) / (3000.0 * GPA)) > 1.1 * expected


def test_bad_input() -> None:
    with pytest.raises(LabkitError, match="system 0 is not periodic"):
        CellRescaling(T, PRESSURE).init(State.from_atoms(water()), Lonely())
    flat = ModulePotential(lambda positions: positions.square().sum())
    with pytest.raises(LabkitError, match="function of positions alone has no stress"):
        CellRescaling(T, PRESSURE).init(State.from_atoms(bulk("Ar", cubic=True)), flat)
    with pytest.raises(LabkitError, match="expected positive"):
        CellRescaling(T, PRESSURE, time=0).init(State.from_atoms(water()), Lonely())
