"""BAOAB on thousands of harmonic oscillators, whose averages are known in closed form for any timestep."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from scipy import stats

from labkit.base import State
from labkit.engine import Constraints, Langevin, kinetic_energy, maxwell_boltzmann, temperature
from labkit.errors import LabkitError
from labkit.units import FORCE_TO_ACCELERATION, KB
from tests.engine.tiny import Lonely, Wells, rigid_water, water


def oscillators(systems: int, atoms: int, seed: int = 0) -> State:
    frame = Atoms(f"Ar{atoms}", [[0.0, 0.0, 0.0]] * atoms)
    one = State.from_atoms(frame, seed=seed)
    n = systems * atoms
    system = type(one.system)(
        numbers=one.system.numbers.repeat(systems),
        masses=one.system.masses.repeat(systems),
        index=torch.arange(systems).repeat_interleave(atoms),
        pbc=torch.zeros(systems, 3, dtype=torch.bool),
    )
    zeros = torch.zeros(n, 3, dtype=torch.float64)
    return State(system, zeros, torch.zeros(systems, 3, 3, dtype=torch.float64), zeros, seed=seed)


def test_configurational_and_kinetic_temperature() -> None:
    """<k x²> = k_B T at any stable timestep, and <m v²> = k_B T (1 - (ω dt)²/4): BAOAB's own (2013) results."""
    k, t = 2.0, 300.0
    state, potential = oscillators(2, 5000), Wells(k)
    omega = math.sqrt(k * FORCE_TO_ACCELERATION / float(state.system.masses[0]))
    dt = 1.0 / omega  # half of what is stable
    integrator = Langevin(t, friction=0.5 * omega)
    state = integrator.init(maxwell_boltzmann(state, t), potential)
    squares, kinetic = [], []
    for step in range(400):
        state = integrator.step(state, potential, dt)
        if step >= 40:
            squares.append(float(k * state.positions.square().mean()))
            kinetic.append(float(temperature(state).mean()))
    # 30,000 numbers in 360 correlated samples: a standard error below 0.2 %
    assert sum(squares) / len(squares) == pytest.approx(KB * t, rel=0.006)
    assert sum(kinetic) / len(kinetic) == pytest.approx(t * (1 - 0.25), rel=0.006)


def test_own_temperatures_and_canonical_distribution() -> None:
    hot_and_cold = torch.tensor([100.0, 400.0], dtype=torch.float64).repeat(500)
    state = oscillators(1000, 4)
    integrator = Langevin(hot_and_cold, friction=torch.full((1000,), 0.02))
    potential = Wells(1.0)
    state = integrator.init(state, potential)
    for _ in range(200):
        state = integrator.step(state, potential, 4.0)
    omega = math.sqrt(FORCE_TO_ACCELERATION / float(state.system.masses[0]))
    for start, t in ((0, 100.0), (1, 400.0)):
        energies = kinetic_energy(state)[start::2] / (KB * t * (1 - (4.0 * omega) ** 2 / 4))
        assert stats.kstest(energies.numpy(), stats.gamma(6).cdf).pvalue > 1e-3
        configurational = state.energy[start::2] / (KB * t)
        assert stats.kstest(configurational.numpy(), stats.gamma(6).cdf).pvalue > 1e-3


def test_rigid_water_has_six_degrees_of_freedom() -> None:
    constraints = rigid_water().repeat(500, 3)
    state = State.from_atoms([water()] * 500, seed=5)
    integrator, potential = Langevin(300.0, 0.05, constraints), Wells(0.05)
    state = integrator.init(maxwell_boltzmann(state, 300.0, constraints=constraints, com_removed=False), potential)
    seen = []
    for _ in range(250):
        state = integrator.step(state, potential, 2.0)
        seen.append(float(temperature(state, constraints).mean()))
    assert sum(seen[100:]) / 150 == pytest.approx(300.0, rel=0.02)  # a standard error of 0.7 %
    assert stats.kstest((kinetic_energy(state) / (KB * 300.0)).numpy(), stats.gamma(3).cdf).pvalue > 1e-3
    positions = state.positions.view(500, 3, 3)
    assert float(((positions[:, 1] - positions[:, 0]).norm(dim=1) - 0.9572).abs().max()) < 1e-9


def test_constrained_angle_has_the_distribution_of_its_metric() -> None:
    """A free chain of two rigid bonds: p(cos θ) ~ sqrt(G₁₁ G₂₂ - G₁₂²), G = J M⁻¹ Jᵀ of the constraints."""
    n, ends, middle = 2500, 1 / 39.948, 1 / 1.008
    chain = Atoms("HAr2", [[0, 0, 0], [1.5, 0, 0], [0, 1.5, 0]])
    constraints = Constraints(torch.tensor([[0, 1], [0, 2]]), torch.tensor([1.5, 1.5]).double()).repeat(n, 3)
    state = State.from_atoms([chain] * n, seed=3)
    integrator, potential = Langevin(300.0, 0.02, constraints), Lonely()
    state = integrator.init(maxwell_boltzmann(state, 300.0, constraints=constraints), potential)
    for _ in range(300):
        state = integrator.step(state, potential, 4.0)
    arms = state.positions.view(n, 3, 3)
    cosine = ((arms[:, 1] - arms[:, 0]) * (arms[:, 2] - arms[:, 0])).sum(1) / 1.5**2
    grid = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    density = ((ends + middle) ** 2 - (middle * grid) ** 2).sqrt()
    cdf = (torch.cumsum(density, 0) - 0.5 * density) / density.sum()
    assert stats.kstest(cosine.numpy(), lambda c: np.interp(c, grid.numpy(), cdf.numpy())).pvalue > 1e-3
    assert stats.kstest(cosine.numpy(), stats.uniform(-1, 2).cdf).pvalue < 1e-6  # as flexible bonds would have it


def test_resumed_noise_is_the_same_and_the_global_generator_is_not_touched() -> None:
    integrator, potential = Langevin(300.0, 0.01), Wells()
    start = integrator.init(maxwell_boltzmann(oscillators(3, 2, seed=7), 300.0), potential)
    before = torch.random.get_rng_state()
    whole = [start]
    for _ in range(6):
        whole.append(integrator.step(whole[-1], potential, 1.0))
    resumed = whole[3]
    for _ in range(3):
        resumed = integrator.step(resumed, potential, 1.0)
    assert torch.equal(resumed.positions, whole[-1].positions)
    assert torch.equal(torch.random.get_rng_state(), before)
    other = integrator.step(start.replace(seed=8), potential, 1.0)
    assert not torch.equal(other.positions, whole[1].positions)


def test_bad_parameters() -> None:
    state = oscillators(3, 2)
    with pytest.raises(LabkitError, match="holds 3 systems"):
        Langevin(torch.tensor([300.0, 310.0])).init(state, Wells())
    with pytest.raises(LabkitError, match="friction.*no negative"):
        Langevin(300.0, -1.0).init(state, Wells())
