"""Constant energy: order of the error, reversibility, batches."""

import pytest
import torch
from ase import Atoms
from ase.build import bulk

from labkit.base import Integrator, State
from labkit.engine import VelocityVerlet, maxwell_boltzmann
from tests.engine.tiny import Pair, Wells, rigid_water, water, water_springs


def run(state: State, potential, dt: float, steps: int, integrator: VelocityVerlet | None = None) -> list[State]:
    integrator = integrator or VelocityVerlet()
    states = [integrator.init(state, potential)]
    for _ in range(steps):
        states.append(integrator.step(states[-1], potential, dt))
    return states


def hot_water(seed: int = 1) -> State:
    return maxwell_boltzmann(State.from_atoms(water(), seed=seed), 600.0)


def test_is_an_integrator() -> None:
    assert isinstance(VelocityVerlet(), Integrator)


def test_energy_error_is_of_second_order() -> None:
    potential, errors = water_springs(), []
    for halvings in range(3):
        dt = 0.4 / 2**halvings
        states = run(hot_water(), potential, dt, 200 * 2**halvings)
        total = torch.stack([VelocityVerlet().conserved(s)[0] for s in states])
        errors.append(float((total - total[0]).abs().max()))
    for coarse, fine in zip(errors, errors[1:], strict=False):
        assert coarse / fine == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("constraints", [None, rigid_water()])
def test_reversible(constraints) -> None:
    potential = water_springs() if constraints is None else Wells(0.1)
    start = maxwell_boltzmann(State.from_atoms(water(), seed=2), 400.0, constraints=constraints)
    integrator = VelocityVerlet(constraints)
    end = run(start, potential, 0.5, 500, integrator)[-1]
    assert float((end.positions - start.positions).abs().max()) > 0.05
    back = run(end.replace(velocities=-end.velocities), potential, 0.5, 500, integrator)[-1]
    torch.testing.assert_close(back.positions, start.positions, atol=1e-7, rtol=0)
    torch.testing.assert_close(back.velocities, -start.velocities, atol=1e-7, rtol=0)


def test_argon_keeps_its_energy_beside_another_system() -> None:
    argon = bulk("Ar", cubic=True, a=5.3) * 2
    cluster = Atoms("Ar3", [[0, 0, 0], [3.8, 0, 0], [0, 3.9, 0.1]])
    both = maxwell_boltzmann(State.from_atoms([argon, cluster], seed=4), torch.tensor([40.0, 10.0]))
    states = run(both, Pair(sigma=3.4, cutoff=5.2), 4.0, 100)
    total = torch.stack([VelocityVerlet().conserved(s) for s in states])
    kinetic = total - torch.stack([s.energy for s in states])
    assert bool(((total - total[0]).abs().amax(0) < 0.02 * kinetic.amax(0)).all())
    assert states[-1].loop_step == 100

    last = run(both[[0]], Pair(sigma=3.4, cutoff=5.2), 4.0, 100)[-1]
    torch.testing.assert_close(last.positions, states[-1].positions[:32], atol=1e-9, rtol=0)


def test_the_state_that_is_given_stays() -> None:
    start = hot_water()
    kept = start.positions.clone(), start.velocities.clone()
    run(start, water_springs(), 0.5, 3)
    assert torch.equal(start.positions, kept[0]) and torch.equal(start.velocities, kept[1])
    assert start.forces is None and start.aux == {}
