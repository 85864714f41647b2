"""Stochastic velocity rescaling: distributions of energies, and what is conserved."""

import pytest
import torch
from ase import Atoms
from scipy import stats

from labkit.base import State
from labkit.engine import Csvr, VelocityVerlet, kinetic_energy, maxwell_boltzmann
from labkit.errors import LabkitError
from labkit.units import KB
from tests.engine.tiny import Lonely, Wells, water, water_springs


def test_kinetic_energies_are_canonical() -> None:
    """From far too cold, to the gamma distribution of f/2, each system with its own temperature."""
    pair = Atoms("Ar3", [[0, 0, 0], [4, 0, 0], [0, 4, 0]])
    wanted = torch.tensor([300.0, 600.0], dtype=torch.float64).repeat(1000)
    state = maxwell_boltzmann(State.from_atoms([pair] * 2000, seed=3), 50.0)
    integrator, potential = Csvr(wanted, time=20.0), Lonely()
    state = integrator.init(state, potential)
    for _ in range(100):
        state = integrator.step(state, potential, 2.0)
    reduced = kinetic_energy(state) / (KB * wanted)
    for start in (0, 1):
        assert stats.kstest(reduced[start::2].numpy(), stats.gamma(0.5 * (9 - 3)).cdf).pvalue > 1e-3
    torch.testing.assert_close(integrator.conserved(state), kinetic_energy(state) - state.aux["heat"])


def test_relaxation_time() -> None:
    """The mean of K approaches its target as exp(-t/τ)."""
    state = maxwell_boltzmann(State.from_atoms([Atoms("Ar4", [[5.0 * i, 0, 0] for i in range(4)])] * 4000), 100.0)
    integrator, potential = Csvr(300.0, time=50.0), Lonely()
    state = integrator.init(state, potential)
    start, target = kinetic_energy(state).mean(), 4.5 * KB * 300.0
    for _ in range(10):
        state = integrator.step(state, potential, 5.0)
    left = float((kinetic_energy(state).mean() - target) / (start - target))
    assert left == pytest.approx(0.3679, abs=0.03)


def test_canonical_energies_in_wells() -> None:
    state = State.from_atoms([Atoms("ArKr", [[0.1, 0, 0], [0, 0.1, 0]])] * 2000, seed=6)
    state = maxwell_boltzmann(state, 300.0, com_removed=False)
    integrator, potential = Csvr(300.0, 50.0, com_removed=False), Wells(0.5)
    state = integrator.init(state, potential)
    for _ in range(300):
        state = integrator.step(state, potential, 4.0)
    assert float(state.energy.mean() / (KB * 300.0)) == pytest.approx(3.0, rel=0.06)
    assert stats.kstest((kinetic_energy(state) / (KB * 300.0)).numpy(), stats.gamma(3).cdf).pvalue > 1e-3


def test_what_is_conserved_drifts_only_by_the_timestep_s_error() -> None:
    """The heat is bookkept exactly: what is conserved errs as much as the total energy of NVE does, of order dt²."""
    errors = []
    for dt in (0.4, 0.1):
        state, potential, integrator = State.from_atoms([water()] * 64), water_springs(replicas=64), Csvr(600.0, 50.0)
        state = integrator.init(maxwell_boltzmann(state, 600.0), potential)
        conserved, heat = [], []
        for _ in range(round(80 / dt)):
            state = integrator.step(state, potential, dt)
            conserved.append(integrator.conserved(state))
            heat.append(state.aux["heat"])
        ranges = [float((torch.stack(t).amax(0) - torch.stack(t).amin(0)).mean()) for t in (conserved, heat)]
        assert ranges[0] < 0.02 * ranges[1]
        errors.append(ranges[0])
    assert errors[1] < errors[0] / 10  # 16, but for noise


def test_no_coupling_is_velocity_verlet() -> None:
    state, potential = maxwell_boltzmann(State.from_atoms(water(), seed=1), 300.0), water_springs()
    one = Csvr(300.0, 1e15).step(Csvr(300.0, 1e15).init(state, potential), potential, 0.5)
    other = VelocityVerlet().step(VelocityVerlet().init(state, potential), potential, 0.5)
    torch.testing.assert_close(one.velocities, other.velocities, atol=1e-7, rtol=1e-6)


def test_goes_on_from_other_dynamics() -> None:
    state, potential = maxwell_boltzmann(State.from_atoms(water(), seed=1), 300.0), water_springs()
    state = VelocityVerlet().init(state, potential)
    after = Csvr(300.0).step(state, potential, 0.5)
    again = Csvr(300.0).init(after, potential)
    assert float(after.aux["heat"]) != 0 and torch.equal(again.aux["heat"], after.aux["heat"])


def test_bad_starts() -> None:
    state = State.from_atoms([water(), water()])
    with pytest.raises(LabkitError, match="system 0 is at rest"):
        Csvr(300.0).init(state, Lonely())
    lone = maxwell_boltzmann(State.from_atoms(Atoms("Ar")), 300.0, com_removed=False)
    with pytest.raises(LabkitError, match="0 degrees of freedom"):
        Csvr(300.0).init(lone, Lonely())
    with pytest.raises(LabkitError, match="time is 0"):
        Csvr(300.0, time=0.0).init(state, Lonely())
