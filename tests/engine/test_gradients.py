"""Gradients through ten steps of every integrator, against finite differences."""

import pytest
import torch
from ase import Atoms

from labkit.base import State
from labkit.engine import CellRescaling, Csvr, Langevin, VelocityVerlet, maxwell_boltzmann
from labkit.units import GPA
from tests.engine.tiny import Breathing, Wells, rigid_water, water, water_springs

RULES = {
    "nve": VelocityVerlet(),
    "langevin": Langevin(300.0, 0.01),
    "csvr": Csvr(300.0, 50.0),
    "rigid nve": VelocityVerlet(rigid_water()),
    "rigid langevin": Langevin(300.0, 0.01, rigid_water()),
    "npt": CellRescaling(300.0, 0.1, 0.01, 50.0, every=3),
    "rigid npt": CellRescaling(300.0, 0.1, 0.01, 50.0, every=3, constraints=rigid_water()),
}


@pytest.mark.parametrize("name", RULES)
def test_ten_steps(name) -> None:
    rule, rigid = RULES[name], RULES[name].constraints
    frame = water()
    frame.set_cell([5.0, 5.1, 5.2])
    frame.pbc = True
    start = maxwell_boltzmann(State.from_atoms(frame, seed=4), 300.0, constraints=rigid)
    potential = (Wells(0.3) if rigid is not None else Wells(0.3) + water_springs()) + Breathing(5 * GPA, 120.0)
    wells = potential.potentials[0]
    weights = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def loss(positions: torch.Tensor, velocities: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        del wells.k
        wells.k = torch.nn.Parameter(k, requires_grad=False) if not k.requires_grad else k
        state = rule.init(start.replace(positions=positions, velocities=velocities), potential)
        for _ in range(10):
            state = rule.step(state, potential, 1.0)
        return (weights * (state.positions + 10 * state.velocities)).sum() + state.energy.sum()

    inputs = [start.positions.clone(), start.velocities.clone(), torch.tensor(0.3, dtype=torch.float64)]
    leaves = [t.clone().requires_grad_() for t in inputs]
    gradients = torch.autograd.grad(loss(*leaves), leaves)
    for number, h in enumerate((1e-5, 1e-6, 1e-5)):
        direction = torch.randn(inputs[number].shape, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
        values = []
        for sign in (1, -1):
            moved = list(inputs)
            moved[number] = inputs[number] + sign * h * direction
            values.append(float(loss(*moved).detach()))
        expected = (values[0] - values[1]) / (2 * h)
        assert float((gradients[number] * direction).sum()) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_no_graph_without_need_or_where_it_is_switched_off() -> None:
    state = maxwell_boltzmann(State.from_atoms(Atoms("Ar2", [[0, 0, 0], [1, 0, 0]])), 300.0)
    rule, potential = Langevin(300.0), Wells()
    assert not rule.step(rule.init(state, potential), potential, 1.0).positions.requires_grad
    with torch.no_grad():
        leaf = state.replace(positions=state.positions.clone().requires_grad_())
        after = rule.step(rule.init(leaf, potential), potential, 1.0)
    assert not after.positions.requires_grad and not after.forces.requires_grad


def test_gradient_with_respect_to_temperature() -> None:
    """Noise grows as sqrt(T): of an ideal gas from rest, dK/dT = K/T."""
    temperature = torch.tensor([300.0], dtype=torch.float64, requires_grad=True)
    state = State.from_atoms(Atoms("Ar4", [[i, 0, 0] for i in range(4)]), seed=1)
    rule, potential = Langevin(temperature, 0.1), Wells(1e-9)
    state = rule.init(state, potential)
    for _ in range(5):
        state = rule.step(state, potential, 1.0)
    kinetic = state.velocities.square().sum()
    (slope,) = torch.autograd.grad(kinetic, temperature)
    assert float(slope) == pytest.approx(float(kinetic.detach()) / 300.0, rel=1e-5)
