"""Pairs in single precision, and states in single precision: errors, energy conservation, the same bits in parts."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from labkit.base import Potential, State
from labkit.engine import Langevin, VelocityVerlet, kinetic_energy, maxwell_boltzmann, simulate
from labkit.engine.fingerprint import differences, fingerprint
from labkit.errors import LabkitError
from labkit.forcefield import ForceField

openmm = pytest.importorskip("openmm")

from forcefield import systems  # noqa: E402

from labkit.forcefield import from_openmm, state_from_openmm  # noqa: E402
from labkit.forcefield.fast.pairs import CompiledPairs  # noqa: E402


def water(method: str = "rf", switch: bool = False) -> tuple[ForceField, State]:
    system, topology, positions = systems.water_box(216, method, switch)
    return from_openmm(system), state_from_openmm(topology, positions, system)


@pytest.mark.parametrize(("method", "switch"), [("rf", False), ("rf", True), ("pme", False)])
def test_pairs_in_single_precision(method, switch) -> None:
    """A thousandth of thermal forces would be seen in dynamics; this is a thousand times less."""
    double, state = water(method, switch)
    single = double.pairs_in(torch.float32)
    found, expected = (f.evaluate(state, stress=True) for f in (single, double))
    assert found.energy.dtype == found.forces.dtype == torch.float64
    assert float((found.forces - expected.forces).norm() / expected.forces.norm()) < 2e-6
    assert abs(float(found.energy - expected.energy)) < 2e-6 * abs(float(expected.energy))
    assert float((found.stress - expected.stress).abs().max()) < 1e-5 * float(expected.stress.abs().max())
    assert not torch.equal(found.forces, expected.forces)
    repeated = single.repeat(2).evaluate(State.from_atoms(state.to_atoms() * 2))
    torch.testing.assert_close(repeated.energy, found.energy.expand(2), rtol=1e-7, atol=0)


def test_kernels_are_vectorised() -> None:
    """The fastest of 20 calls, alternating. Not vectorised, PME takes 5 times as long; that depended on what was
    compiled first."""
    pairs = {}
    for method in ("pme", "rf"):
        forcefield, state = water(method)
        for real in (np.float64, np.float32):
            [pairs[method, real]] = CompiledPairs.groups(list(forcefield.terms.values()), real)
            pairs[method, real].begin(state)
    positions, cells, least = state.positions.numpy(), state.cell.numpy(), dict.fromkeys(pairs, np.inf)
    for _ in range(20):
        for key, kernel in pairs.items():
            began = time.perf_counter()
            kernel.add(positions, cells, np.zeros(1), np.zeros(positions.shape), np.zeros(cells.shape))
            least[key] = min(least[key], time.perf_counter() - began)
    for method in ("pme", "rf"):
        assert least[method, np.float32] < 1.2 * least[method, np.float64]
    for real in (np.float64, np.float32):
        assert least["pme", real] < 6 * least["rf", real]


def test_energy_is_conserved_as_in_double_precision() -> None:
    """500 steps from the same start: the total energy moves as much in both."""
    double, state = water("rf", True)
    state = simulate(maxwell_boltzmann(state, 300.0, seed=1), double, Langevin(300.0, 0.05), 200, 0.5)
    moves = []
    for forcefield in (double, double.pairs_in(torch.float32)):
        now, totals = VelocityVerlet().init(state, forcefield), []
        for _ in range(25):
            now = simulate(now, forcefield, VelocityVerlet(), 20, 0.5)
            totals.append(float(now.energy + kinetic_energy(now)))
        moves.append(np.array(totals) - totals[0])
    spread = moves[0].std()
    assert moves[1].std() < 1.2 * spread and np.abs(moves[1] - moves[0]).max() < 0.5 * spread


@pytest.mark.parametrize("integrator", [VelocityVerlet(), Langevin(300.0, 0.01)])
def test_states_in_single_precision(integrator) -> None:
    """By the same kernels, rounded after each step: the bits do not depend on how many steps go at once."""
    forcefield, state = water()
    forcefield, frame = forcefield.float(), state.to_atoms()
    single = State.from_atoms(frame, dtype=torch.float32)
    fast, slow = forcefield.evaluate(single), Potential.evaluate(forcefield, single)
    assert fast.energy.dtype == fast.forces.dtype == torch.float32
    torch.testing.assert_close(fast.energy, slow.energy, rtol=1e-5, atol=0)
    torch.testing.assert_close(fast.forces, slow.forces, rtol=1e-5, atol=1e-3)
    start = integrator.init(maxwell_boltzmann(single, 300.0, seed=1), forcefield)
    with torch.no_grad():
        whole = integrator.advance(start, forcefield, 0.5, 12)
        parts = integrator.advance(integrator.advance(start, forcefield, 0.5, 5), forcefield, 0.5, 7)
    for name in ("positions", "velocities", "forces"):
        assert getattr(whole, name).dtype == torch.float32
        assert torch.equal(getattr(whole, name), getattr(parts, name))


def test_what_is_in_a_fingerprint_and_what_is_refused() -> None:
    double, state = water()
    single = double.pairs_in(torch.float32)
    marks = [fingerprint(state, f, VelocityVerlet(), 0.5) for f in (double, single)]
    assert any("single_pairs" in line for line in differences(*marks))
    with pytest.raises(LabkitError, match="expected torch.float32 or torch.float64"):
        double.pairs_in(torch.float16)
    with pytest.raises(LabkitError, match="some force fields of the batch compute pairs in float32"):
        ForceField.batch([double, single])
