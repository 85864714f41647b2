"""What holds for every integrator: its states are whole, companions do not matter, runs resume, two halves are one."""

from dataclasses import fields

import numpy as np
import pytest
import torch

import labkit.engine
import labkit.mobility
from labkit.base import Integrator, State
from labkit.engine import simulate
from labkit.errors import LabkitError, Stopped
from tests.engine.all_integrators import CASES, T, start

pytestmark = pytest.mark.parametrize("name", CASES)


def run(case, state: State, steps: int, temperatures=T, **more) -> State:
    return simulate(state, case.potential(), case.make(temperatures), steps, case.dt, **more)


def close(one: State, other: State) -> None:
    for field in ("positions", "velocities", "forces", "energy", "cell"):
        torch.testing.assert_close(getattr(one, field), getattr(other, field), rtol=0, atol=1e-8)
    assert one.step.equal(other.step) and one.seed.equal(other.seed)


def test_every_integrator_has_a_case(name) -> None:
    public = {**vars(labkit.engine), **vars(labkit.mobility)}.values()
    kinds = {v.__name__ for v in public if isinstance(v, type) and issubclass(v, Integrator) and v is not Integrator}
    assert kinds == {case.split(",")[0] for case in CASES}


def test_states_are_whole_and_nothing_is_changed_in_place(name) -> None:
    case = CASES[name]
    state = start(case)
    before = {field: getattr(state, field).clone() for field in ("positions", "velocities", "cell", "step")}
    with torch.no_grad():
        first = case.make(T).init(state, case.potential())
        after = case.make(T).step(first, case.potential(), case.dt)
    for found in (first, after):
        assert found.forces.shape == state.positions.shape and found.energy.shape == (3,)
        expected = case.potential().evaluate(found)
        torch.testing.assert_close(found.forces, expected.forces, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(found.energy, expected.energy, rtol=1e-10, atol=1e-10)
    assert after.step.equal(state.step + 1) and after.seed.equal(state.seed)
    assert not torch.equal(after.positions, first.positions)
    assert all(torch.equal(getattr(state, field), value) for field, value in before.items())


def test_steps_and_advance_are_the_same(name) -> None:
    case = CASES[name]
    potential, integrator = case.potential(), case.make(T)
    with torch.no_grad():
        one = many = integrator.init(start(case), potential)
        for _ in range(7):
            one = integrator.step(one, potential, case.dt)
        close(integrator.advance(integrator.advance(many, potential, case.dt, 5), potential, case.dt, 2), one)


def test_alone_in_a_batch_and_after_others_were_taken_out(name) -> None:
    case = CASES[name]
    if not case.exact:
        pytest.skip("decisions of exchange depend on the companions")
    state = start(case).replace(step=torch.tensor([0, 5, 77]))
    whole = run(case, state, 12)
    later = run(case, whole[[2, 0]], 12, T[[2, 0]])
    for place, s in enumerate([2, 0]):
        alone = run(case, state[s], 12, T[[s]])
        close(whole[s], alone)
        close(later[place], run(case, alone, 12, T[[s]]))


def test_a_run_that_was_cut_goes_on_to_the_bit(name, tmp_path) -> None:
    case = CASES[name]
    whole = run(case, start(case), 12, checkpoint=tmp_path / "whole", checkpoint_every=4)

    class Fails(labkit.base.Observer):
        def __call__(self, state, evaluation):
            if state.loop_step == self.at:
                raise InterruptedError

    fails = Fails()
    more = dict(checkpoint=tmp_path / "cut", checkpoint_every=4, observers=[fails])
    fails.at = 40 + 10
    with pytest.raises(InterruptedError):
        run(case, start(case), 12, **more)
    fails.at = -1
    end = run(case, start(case), 12, **more)
    for field in ("positions", "velocities", "cell", "energy"):
        assert getattr(end, field).equal(getattr(whole, field))
    assert end.aux.keys() == whole.aux.keys() and all(end.aux[k].equal(whole.aux[k]) for k in end.aux)


def test_the_whole_run_turns_and_moves_with_its_start(name) -> None:
    """Forces and constraints have no preferred direction; noise has, so only without it."""
    case = CASES[name]
    if not case.reverses:
        pytest.skip("its noise has directions of its own")
    state = start(case)
    turn = torch.linalg.qr(torch.from_numpy(np.random.default_rng(1).normal(size=(3, 3))))[0]
    turned = state.replace(
        positions=state.positions @ turn + 3, velocities=state.velocities @ turn, cell=state.cell @ turn
    )
    one, other = run(case, state, 10), run(case, turned, 10)
    torch.testing.assert_close(other.positions, one.positions @ turn + 3, rtol=0, atol=1e-8)
    # and back in time
    back = run(case, one.replace(velocities=-one.velocities), 10)
    torch.testing.assert_close(back.positions, run(case, state, 0).positions, rtol=0, atol=1e-8)


def test_single_precision(name) -> None:
    case = CASES[name]
    double, single = run(case, start(case), 3), run(case, start(case).to(torch.float32), 3, T.float())
    assert single.positions.dtype == torch.float32
    torch.testing.assert_close(single.positions.double(), double.positions, rtol=0, atol=2e-3)


def test_an_integrator_that_leaves_out_results_is_named(name) -> None:
    case = CASES[name]
    base = case.make(T)

    class Forgets(type(base)):
        def step(self, state, potential, dt):
            return super().step(state, potential, dt).replace(energy=None)

        def advance(self, state, potential, dt, steps):
            return Integrator.advance(self, state, potential, dt, steps)

    values = {field.name: getattr(base, field.name) for field in fields(base)}
    with pytest.raises((LabkitError, Stopped), match="Forgets.step returns a state without energy"):
        simulate(start(case), case.potential(), Forgets(**values), 3, case.dt)
