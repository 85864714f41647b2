"""Observers that end a run: everything is kept at that step, and the run, or the rest of its systems, can go on."""

from dataclasses import replace

import pytest
import torch

from labkit.base import Observer, State, Stop
from labkit.engine import simulate
from labkit.engine.observers import ExtXyz, Thermodynamics
from labkit.errors import LabkitError, Stopped
from labkit.jobs import Job
from tests.engine.toys import LennardJones, Thermal, fluid


class Ends(Observer):
    """Asks for the end at one step."""

    def __init__(self, at, systems=(), every=1):
        self.at, self.systems, self.every, self.seen = at, systems, every, []

    def __call__(self, state, evaluation):
        self.seen.append(state.loop_step)
        return Stop("unsure", self.systems) if state.loop_step == self.at else None


class Stronger(LennardJones):
    """As if trained again."""

    def energy(self, *arguments):
        return 1.1 * super().energy(*arguments)


def three() -> State:
    return State.batch([fluid()] * 3, seed=4)


@pytest.mark.parametrize("at", [0, 7, 20])
def test_all_is_kept_at_exactly_that_step_and_the_run_goes_on(at, tmp_path):
    def go(folder, end):
        folder.mkdir(exist_ok=True)
        observers = [ExtXyz(folder / "x.extxyz", every=1), end, Thermodynamics(folder / "t.csv", every=1)]
        return simulate(fluid(), LennardJones(), Thermal(), 30, 5.0, observers=observers, checkpoint=folder / "c")

    whole = go(tmp_path / "whole", Ends(-1))
    with pytest.raises(Stopped, match=f"ended at step {at} of 30: unsure") as caught:
        go(tmp_path / "cut", Ends(at))
    assert caught.value.partial.loop_step == at and caught.value.reason == "unsure" and caught.value.systems == ()
    rows = (tmp_path / "cut" / "t.csv").read_text().splitlines()
    assert rows[-1].startswith(f"{at},")  # the observer after the one that ended it has seen this step, too
    end = go(tmp_path / "cut", Ends(at))
    assert end.loop_step == 30 and torch.allclose(end.positions, whole.positions, atol=1e-9)
    assert (tmp_path / "cut" / "t.csv").read_text().count("\n") == (tmp_path / "whole" / "t.csv").read_text().count(
        "\n"
    )


def test_some_systems_end_the_run_and_the_others_go_on_unchanged():
    state, potential = three(), LennardJones()
    with pytest.raises(Stopped, match=r"systems 0, 2: unsure") as caught:
        simulate(state, potential, Thermal(), 30, 5.0, observers=[Ends(12, (2,)), Ends(12, torch.tensor([0]))])
    assert caught.value.systems == (0, 2)
    alone = simulate(simulate(state[1], potential, Thermal(), 12, 5.0), potential, Thermal(), 18, 5.0)
    rest = simulate(caught.value.partial[[1]], potential, Thermal(), 18, 5.0)
    assert rest.step.equal(alone.step) and torch.allclose(rest.positions, alone.positions, atol=1e-8)


def test_a_retrained_potential_goes_on_only_when_asked_to(tmp_path):
    path, old = tmp_path / "c", LennardJones()
    with pytest.raises(Stopped):
        simulate(fluid(), old, Thermal(), 30, 5.0, observers=[Ends(10)], checkpoint=path)
    new = Stronger()
    with pytest.raises(LabkitError, match="checkpoint of another run"):
        simulate(fluid(), new, Thermal(), 30, 5.0, observers=[Ends(10)], checkpoint=path)
    end = simulate(fluid(), new, Thermal(), 30, 5.0, observers=[Ends(10)], checkpoint=path, retrained=True)
    start = simulate(fluid(), old, Thermal(), 10, 5.0)
    expected = simulate(start, new, Thermal(), 20, 5.0)
    assert end.loop_step == 30 and torch.allclose(end.positions, expected.positions, atol=1e-9)
    # and from then on it is a run of the new one
    assert simulate(fluid(), new, Thermal(), 30, 5.0, observers=[Ends(10)], checkpoint=path).positions.equal(
        end.positions
    )
    with pytest.raises(LabkitError, match="checkpoint of another run"):
        simulate(
            fluid(),
            new,
            replace(Thermal(), friction=0.5),
            30,
            5.0,
            observers=[Ends(10)],
            checkpoint=path,
            retrained=True,
        )


def test_a_job_says_why():
    def run(progress):
        return simulate(fluid(), LennardJones(), Thermal(), 30, 5.0, observers=[Ends(4)], progress=progress)

    job = Job(run).start()
    assert job.wait(30).loop_step == 4
    assert job.status == "stopped" and job.reason == job.message == "unsure"
