"""Degrees of freedom, temperatures and starting velocities."""

import pytest
import torch
from ase.build import bulk, molecule
from scipy import stats

from labkit.base import State
from labkit.engine import (
    CellRescaling,
    Constraints,
    Csvr,
    Langevin,
    VelocityVerlet,
    degrees_of_freedom,
    kinetic_energy,
    maxwell_boltzmann,
    temperature,
    without_com_motion,
)
from labkit.errors import LabkitError
from labkit.units import KB
from tests.engine.tiny import rigid_water, water


def test_kinetic_energy_and_temperature_are_ase_s() -> None:
    frames = [bulk("Cu", cubic=True) * 2, molecule("CH3CH2OH")]
    state = maxwell_boltzmann(State.from_atoms(frames, seed=1), torch.tensor([300.0, 900.0]))
    for s, frame in enumerate(state.to_atoms()):
        assert float(kinetic_energy(state)[s]) == pytest.approx(frame.get_kinetic_energy(), rel=1e-12)
        assert float(temperature(state)[s]) == pytest.approx(frame.get_temperature(), rel=1e-12)


def test_degrees_of_freedom() -> None:
    state = State.from_atoms([water(), molecule("CH4"), water()])
    constraints = Constraints.batch([rigid_water(), None, rigid_water()], [3, 5, 3])
    assert degrees_of_freedom(state.system, constraints).tolist() == [6, 15, 6]
    assert degrees_of_freedom(state.system, constraints, com_removed=True).tolist() == [3, 12, 3]


def test_integrators_know_their_degrees_of_freedom() -> None:
    system, rigid = State.from_atoms(water()).system, rigid_water()
    assert VelocityVerlet(rigid).degrees_of_freedom(system).tolist() == [3]
    assert VelocityVerlet(com_removed=False).degrees_of_freedom(system).tolist() == [9]
    assert Csvr(300.0, constraints=rigid).degrees_of_freedom(system).tolist() == [3]
    assert Langevin(300.0, constraints=rigid).degrees_of_freedom(system).tolist() == [6]
    assert CellRescaling(300.0, 1e-4).degrees_of_freedom(system).tolist() == [9]


def test_canonical_kinetic_energies_with_constraints_and_without_com() -> None:
    constraints = Constraints(torch.tensor([[0, 1], [0, 2]]), torch.tensor([0.9572, 0.9572])).repeat(2000, 3)
    state = State.from_atoms([water()] * 2000, seed=2)
    moving = maxwell_boltzmann(state, 250.0, constraints=constraints)
    momentum = state.system.sum_over_atoms(state.system.masses[:, None] * moving.velocities)
    assert float(momentum.abs().max()) < 1e-14
    energies = kinetic_energy(moving) / (KB * 250.0)
    assert stats.kstest(energies.numpy(), stats.gamma(0.5 * (9 - 2 - 3)).cdf).pvalue > 1e-3
    a, b = constraints.atoms.T
    along = ((state.positions[b] - state.positions[a]) * (moving.velocities[b] - moving.velocities[a])).sum(1)
    assert float(along.abs().max()) < 1e-14
    assert not torch.equal(
        maxwell_boltzmann(state, 250.0, seed=9).velocities, maxwell_boltzmann(state, 250.0).velocities
    )


def test_centre_of_mass_of_each_system() -> None:
    state = State.from_atoms([molecule("H2O"), molecule("CH4")])
    moving = state.replace(velocities=torch.tensor([[1.0, 2.0, 3.0]]).double().repeat(8, 1))
    assert float(without_com_motion(moving).velocities.abs().max()) < 1e-14


def test_negative_temperature() -> None:
    with pytest.raises(LabkitError, match="no negative"):
        maxwell_boltzmann(State.from_atoms(water()), -5.0)
