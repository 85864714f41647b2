"""The same dynamics on a GPU: equal trajectories without noise, no waiting for the GPU within a step."""

import pytest
import torch

from labkit.base import State
from labkit.engine import CellRescaling, Csvr, Langevin, VelocityVerlet, maxwell_boltzmann
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
