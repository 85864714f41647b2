"""The same dynamics on a GPU: equal trajectories without noise, no waiting for the GPU within a step."""

import warnings

import pytest
import torch
from ase.build import bulk, molecule

from labkit.base import NeighbourList, State
from labkit.engine import CellRescaling, Csvr, Langevin, VelocityVerlet, maxwell_boltzmann
from labkit.engine.noise import normal, normal_of_systems, uniform
from tests.engine.tiny import Lonely, Wells, rigid_water, water

CONSTRAINTS = rigid_water().repeat(4, 3)
RULES = [
    VelocityVerlet(CONSTRAINTS),
    Langevin(300.0, 0.01, CONSTRAINTS),
    Csvr(300.0, 100.0, CONSTRAINTS),
    CellRescaling(300.0, 1e-4, constraints=CONSTRAINTS),
]


def start() -> State:
    frame = water()
    frame.set_cell([20.0] * 3)
    frame.pbc = True
    return maxwell_boltzmann(State.from_atoms([frame] * 4, seed=1), 300.0, constraints=CONSTRAINTS)


@pytest.mark.gpu
def test_rigid_water_as_on_the_cpu() -> None:
    rule, ends = VelocityVerlet(CONSTRAINTS), []
    for device in ("cpu", "cuda"):
        potential = Wells(0.1).to(device)
        state = rule.init(start().to(device), potential)
        for _ in range(100):
            state = rule.step(state, potential, 1.0)
        ends.append(state.positions.cpu())
    torch.testing.assert_close(*ends, atol=1e-7, rtol=0)


@pytest.mark.gpu
def test_noise_is_that_of_the_cpu() -> None:
    state = start().replace(step=torch.tensor([3, 9, 0, 2**40]))
    for make in (normal, normal_of_systems):
        for columns in (1, 3, 9):
            found = make(state.to("cuda"), 1, columns).cpu()
            torch.testing.assert_close(found, make(state, 1, columns), atol=1e-12, rtol=0)
    assert uniform(state.to("cuda"), 3, 100).cpu().equal(uniform(state, 3, 100))


@pytest.mark.gpu
@pytest.mark.parametrize(("frames", "most"), [([molecule("C6H6")] * 3, 0), ([bulk("Cu", cubic=True) * 2] * 3, 1)])
def test_a_look_at_a_list_waits_at_most_once(frames, most) -> None:
    state, near = State.from_atoms(frames).to("cuda"), NeighbourList(4.0)
    near(state)
    state = state.replace(positions=state.positions + 0.01)
    torch.cuda.set_sync_debug_mode("error" if most == 0 else "warn")
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            near(state)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len([w for w in seen if "synchroniz" in str(w.message)]) <= most and near.builds == 1


@pytest.mark.gpu
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_no_synchronisation_in_a_step(rule) -> None:
    potential = Lonely()
    state = rule.init(start().to("cuda"), potential).replace(step=1)
    state = rule.step(state, potential, 1.0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(5):
            state = rule.step(state, potential, 1.0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert bool(torch.isfinite(state.positions).all())
