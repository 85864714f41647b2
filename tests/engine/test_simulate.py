"""The loop: what it calls and when, how it ends, and what it says when something is wrong."""

import resource
import threading
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from ase.io import read

from labkit.base import Observer, State
from labkit.engine import Langevin, simulate
from labkit.engine.observers import Dcd, ExtXyz, MeanSquareDisplacement, Record, Thermodynamics
from labkit.errors import LabkitError, Stopped
from tests.engine.toys import Ideal, LennardJones, Nothing, Thermal, Verlet, fluid


class Seen(Observer):
    """An observer without any of the optional methods."""

    def __init__(self, every):
        self.every, self.steps, self.energies = every, [], []

    def __call__(self, state, evaluation):
        self.steps.append(state.loop_step)
        self.energies.append(evaluation.energy.clone())
        assert evaluation.forces is state.forces


class Watch:
    def __init__(self, stop_at=None):
        self.shown, self.stop_at = [], stop_at

    def update(self, step, total, **metrics):
        self.shown.append((step, total, metrics))

    def should_stop(self):
        return self.stop_at is not None


def test_observers_are_called_at_their_multiples_and_at_step_0():
    five, seven, watch = Seen(5), Seen(7), Watch()
    end = simulate(fluid(), LennardJones(), Verlet(), 20, 2.0, observers=[five, seven], progress=watch)
    assert end.loop_step == 20 and five.steps == [0, 5, 10, 15, 20] and seven.steps == [0, 7, 14]
    assert torch.equal(five.energies[-1], end.energy)
    step, total, metrics = watch.shown[-1]
    assert (step, total) == (20, 20) and metrics["time_ps"] == pytest.approx(0.04)
    assert set(metrics) == {"time_ps", "energy", "temperature"} and 10 < metrics["temperature"] < 200
    again = simulate(end, LennardJones(), Verlet(), 5, 2.0, observers=[five])
    assert again.loop_step == 25 and five.steps[-1] == 25 and five.steps.count(20) == 1


def test_two_runs_are_one_long_one_and_energy_is_conserved(tmp_path):
    log = Thermodynamics(tmp_path / "log.csv", every=1)
    whole = simulate(fluid(copies=2), LennardJones(), Thermal(), 30, 2.0)
    half = simulate(fluid(copies=2), LennardJones(), Thermal(), 10, 2.0)
    assert torch.allclose(simulate(half, LennardJones(), Thermal(), 20, 2.0).positions, whole.positions, atol=1e-10)
    simulate(fluid(copies=2), LennardJones(), Verlet(), 100, 2.0, observers=[log])
    table = pd.read_csv(tmp_path / "log.csv")
    assert list(table.columns) == [
        *("step", "time_ps", "system", "potential_eV", "kinetic_eV", "total_eV", "temperature_K")
    ]
    assert len(table) == 202 and table.groupby("system").total_eV.std().max() < 1e-3


def test_forces_of_another_potential_or_place_are_not_used():
    """A state that was minimised, or run, with something else begins anew; and what `init` refuses is refused."""
    fresh, known = fluid(), simulate(fluid(), Ideal(), Verlet(), 0, 2.0)
    assert not known.forces.any()
    right = simulate(fresh, LennardJones(), Verlet(), 1, 2.0).positions
    assert simulate(known, LennardJones(), Verlet(), 1, 2.0).positions.equal(right)
    with pytest.raises(LabkitError, match="temperature is .-5.0.; expected no negative"):
        simulate(known, LennardJones(), Langevin(-5.0), 1, 2.0)


@pytest.mark.parametrize("name", ["positions", "velocities", "cell"])
def test_a_state_of_another_size_is_refused(name):
    state = fluid()
    with pytest.raises(LabkitError, match=f"the state's {name} are .* its system has 32 atoms"):
        simulate(state.replace(**{name: getattr(state, name)[:-1]}), LennardJones(), Verlet(), 1, 2.0)


@pytest.mark.parametrize("steps", [None, "10", 2.5, -1])
def test_steps_are_a_whole_number(steps):
    with pytest.raises(LabkitError, match=f"^steps is {steps!r}; expected a whole number from 0$"):
        simulate(fluid(), Ideal(), Verlet(), steps, 1.0)


@pytest.mark.parametrize("dt", ["1", None, np.nan, np.inf, 0.0])
def test_a_timestep_is_a_number(dt):
    with pytest.raises(LabkitError, match=f"^dt is {dt!r} fs; expected a timestep such as 0.5$"):
        simulate(fluid(), Ideal(), Verlet(), 10, dt)


def test_stop_keeps_what_was_done_and_goes_on(tmp_path):
    path = tmp_path / "c"
    with pytest.raises(Stopped) as caught:
        simulate(fluid(), LennardJones(), Thermal(), 50, 5.0, progress=Watch(stop_at=0), checkpoint=path)
    assert caught.value.partial.loop_step < 50
    end = simulate(fluid(), LennardJones(), Thermal(), 50, 5.0, checkpoint=path)
    whole = simulate(fluid(), LennardJones(), Thermal(), 50, 5.0)
    assert end.loop_step == 50 and torch.allclose(end.positions, whole.positions, atol=1e-9)
    assert simulate(fluid(), LennardJones(), Thermal(), 50, 5.0, checkpoint=path).positions.equal(end.positions)


def test_too_large_a_timestep_says_so_and_leaves_no_nan(tmp_path):
    writers = [ExtXyz(tmp_path / "run.extxyz", every=1), Dcd(tmp_path / "run-{system}.dcd", every=1)]
    writers.append(Thermodynamics(tmp_path / "log.csv", every=1))
    hot = fluid(copies=2)
    hot = hot.replace(velocities=hot.velocities * 3)
    with pytest.raises(LabkitError) as caught:
        simulate(
            hot, LennardJones(), Verlet(), 2000, 120.0,
            observers=writers, checkpoint=tmp_path / "run.checkpoint", checkpoint_every=5,
        )  # fmt: skip
    text = str(caught.value)
    for word in ("step ", "system ", "atom", "timestep is too large", "120 fs", "run.checkpoint at step "):
        assert word in text, text
    frames = read(tmp_path / "run.extxyz", ":")
    assert len(frames) >= 2 and all(np.isfinite(frame.positions).all() for frame in frames)
    table = pd.read_csv(tmp_path / "log.csv")
    assert np.isfinite(table).all().all() and len(table) == len(frames)


@dataclass(frozen=True)
class Breaks(Verlet):
    at: int = 33

    def step(self, state, potential, dt):
        state = super().step(state, potential, dt)
        if state.loop_step != self.at:
            return state
        positions = state.positions.clone()
        positions[35] = torch.nan
        return state.replace(positions=positions)


def test_nan_is_found_at_its_step_system_and_atom(tmp_path):
    """Between two looks of the loop: the step is found afterwards."""
    with pytest.raises(LabkitError, match=r"step 33: system 1, atom 3: .*not a number.*are kept$"):
        simulate(fluid(copies=2), Nothing(), Breaks(), 100, 1.0)
    with pytest.raises(LabkitError, match=r"step 33: system 1, atom 3: .*c at step 30"):
        simulate(fluid(copies=2), Nothing(), Breaks(), 100, 1.0, checkpoint=tmp_path / "c", checkpoint_every=10)
    bad = fluid()
    bad = bad.replace(positions=bad.positions.index_fill(0, torch.tensor([2]), torch.nan))
    with pytest.raises(LabkitError, match=r"^step 0, before the first: frame 0, atom 2: position \[nan, .* not finite"):
        simulate(bad, LennardJones(), Verlet(), 10, 1.0)
    lost = fluid()  # of velocities, which no neighbour list looks at
    lost = lost.replace(velocities=lost.velocities.index_fill(0, torch.tensor([2]), torch.nan))
    with pytest.raises(LabkitError, match="^step 0, before the first: .*atom 2.*check the source of the positions"):
        simulate(lost, LennardJones(), Verlet(), 10, 1.0)


def test_a_hot_gas_and_a_long_timestep_are_in_order():
    cold = fluid()
    for factor, dt in ((1, 1000.0), (50, 0.1)):
        start = cold.replace(velocities=cold.velocities * factor)
        end = simulate(start, Nothing(), Verlet(), 10, dt)
        torch.testing.assert_close(end.positions, start.positions + 10 * dt * start.velocities)  # nothing pushes


@pytest.mark.parametrize("writer", [ExtXyz, Dcd, Thermodynamics, lambda p, every: Record(lambda s: s.cell, every, p)])
def test_unwritable_files_are_named_before_the_first_step(writer, tmp_path):
    with pytest.raises(LabkitError, match="nowhere.*cannot be written.*choose a folder"):
        simulate(fluid(), Ideal(), Verlet(), 5, 1.0, observers=[writer(tmp_path / "nowhere" / "file", every=1)])
    with pytest.raises(LabkitError, match="could not be written"):
        simulate(fluid(), Ideal(), Verlet(), 5, 1.0, checkpoint=tmp_path / "nowhere" / "file")


def test_two_that_write_to_one_file_are_told(tmp_path):
    path = tmp_path / "a"
    writers = [Thermodynamics(path), Dcd(str(path))]
    for more in (dict(observers=writers), dict(observers=writers[:1], checkpoint=path)):
        with pytest.raises(LabkitError, match="a: two of the observers and checkpoint.*give each its own"):
            simulate(fluid(), Ideal(), Verlet(), 5, 1.0, **more)
    assert not path.exists()


def test_disk_full_on_the_way(tmp_path):
    """The error names the file; the run goes on from its checkpoint when there is room again."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    go = lambda: simulate(  # noqa: E731
        fluid(), Ideal(), Verlet(), 40, 1.0,
        observers=[ExtXyz(tmp_path / "run.extxyz", every=1)], checkpoint=tmp_path / "c", checkpoint_every=5,
    )  # fmt: skip
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limit[1]))
        with pytest.raises(LabkitError, match="run.extxyz: cannot be written .*too large"):
            go()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert go().loop_step == 40
    assert [frame.info["step"] for frame in read(tmp_path / "run.extxyz", ":")] == list(range(41))


def test_what_does_not_inherit_from_the_base_classes_is_refused() -> None:
    """A class of the same methods would miss those that have defaults."""

    class Alike:
        every = 1

        def init(self, state, potential): ...

        def step(self, state, potential, dt): ...

        def __call__(self, state, evaluation): ...

    with pytest.raises(LabkitError, match="the integrator is .*Alike.* inherits from labkit.base.Integrator"):
        simulate(fluid(), Ideal(), Alike(), 1, 1.0)
    with pytest.raises(LabkitError, match="observer Alike: .* inherits from labkit.base.Observer"):
        simulate(fluid(), Ideal(), Verlet(), 1, 1.0, observers=[Alike()])


@pytest.mark.parametrize(
    "steps, dt, every", [(-1, 1.0, 10), (1.5, 1.0, 10), (5, 0.0, 10), (5, float("nan"), 10), (5, 1, 0)]
)
def test_senseless_numbers(steps, dt, every):
    with pytest.raises(LabkitError, match="expected"):
        simulate(fluid(), Ideal(), Verlet(), steps, dt, checkpoint_every=every)
    with pytest.raises(LabkitError, match="observer Seen: .*every = 0"):
        simulate(fluid(), Ideal(), Verlet(), 5, 1.0, observers=[Seen(0)])


def test_memory_does_not_grow_with_frames(tmp_path):
    """1,200 frames would take 25 MB as tensors and more as text."""

    def peak(steps):
        observers = [
            ExtXyz(tmp_path / "run.extxyz", every=4),
            Dcd(tmp_path / "run.dcd", every=1),
            MeanSquareDisplacement(10.0, every=1),
        ]
        simulate(fluid(4), Nothing(), Verlet(), steps, 1.0, observers=observers)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    before = peak(50)
    assert peak(1200) < before + 8 and (tmp_path / "run.dcd").stat().st_size > 1200 * 256 * 12


def test_runs_in_another_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(simulate(fluid(), LennardJones(), Verlet(), 5, 1.0)))
    thread.start()
    thread.join()
    assert isinstance(found[0], State) and not found[0].positions.requires_grad
