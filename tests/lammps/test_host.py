"""Hooks against LAMMPS's own pair style and against the engine; what is raised in a callback."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from labkit.base import Integrator, Observer, Potential
from labkit.engine import Langevin, VelocityVerlet, simulate
from labkit.engine.motion import evaluated
from labkit.engine.observers import Record, Thermodynamics
from labkit.errors import LabkitError, Stopped
from labkit.forcefield import HarmonicAngles, HarmonicBonds, RepulsionCG, TypedForceField, TypedTerm
from labkit.lammps import Host, Units, lammps
from labkit.mobility import Brownian, RotnePragerYamakawa
from labkit.mobility.examples import cloud, lammps_commands
from labkit.units import FORCE_TO_ACCELERATION
from tests.lammps.fluid import NATIVE, NOTHING, argon, by_id, images, lennard_jones

PRISM = "prism 0 3 0 3 0 3 0.5 0.3 -0.4"
REDUCED = Units.lj(1.0, 1.0, 1.0)
NVE = "fix nve all nve"
FLUID = RotnePragerYamakawa(10.0, 5.3)


def units_of(units):
    return REDUCED if units == "lj" else None


@pytest.mark.parametrize("units", ["metal", "real", "lj"])
@pytest.mark.parametrize("region", ["block 0 3 0 3 0 3", PRISM])
def test_against_the_native_pair_style(units, region):
    """Energy, forces and all pressures after 50 steps, with atoms that were sorted and have crossed the boundary."""
    native, ours = argon(NATIVE, units, region, NVE), argon(NOTHING, units, region, NVE)
    native.command("run 50")
    with Host(ours, units=units_of(units)) as host:
        host.potential(lennard_jones(ours, units))
        host.run(50)
        # ASE's kcal/mol and the one of the other side are the same constant here: what differs is the order of sums
        assert ours.get_thermo("pe") == pytest.approx(native.get_thermo("pe"), rel=1e-9)
        for name in ("press", "pxx", "pyy", "pzz", "pxy", "pxz", "pyz"):
            expected = native.get_thermo(name)
            assert ours.get_thermo(name) == pytest.approx(
                expected, rel=1e-7, abs=1e-7 * abs(native.get_thermo("press"))
            )
        forces = by_id(native, "f")
        assert np.abs(by_id(ours, "f") - forces).max() < 1e-9 * np.abs(forces).max()
        assert bool((images(host.state()) != 0).any())
    assert not np.array_equal(ours.numpy.extract_atom("id")[:108], np.arange(1, 109))


def test_energies_and_forces_are_the_engines():
    lmp = argon()
    model = lennard_jones(lmp)
    with Host(lmp) as host:
        name = host.potential(model)
        host.run(0)
        found = model.evaluate(host.state(), stress=True)
        assert lmp.extract_fix(name, 0, 0) == pytest.approx(float(found.energy), rel=1e-13)
        assert lmp.get_thermo("pe") == pytest.approx(float(found.energy), rel=1e-13)
        assert np.abs(by_id(lmp, "f") - found.forces.numpy()).max() < 1e-10


def test_the_trajectory_is_the_engines():
    """1,000 steps in reduced units, which have no constants that could differ."""
    lmp = argon(NOTHING, "lj", "block 0 2 0 2 0 2", NVE)
    model = lennard_jones(lmp, "lj")
    model.skin = 0.3
    with Host(lmp, units=REDUCED) as host:
        start = host.state()
        host.potential(model, virial=False)
        host.run(1000)
        ours = host.state()
    end = simulate(start, lennard_jones(lmp, "lj"), VelocityVerlet(), 1000, host.dt)
    assert float((end.positions - start.positions).abs().max()) > 0.1
    assert float((ours.positions - end.positions).abs().max()) < 1e-8
    assert float((ours.velocities - end.velocities).abs().max()) < 1e-8


def test_metal_units_differ_by_lammps_constants_only():
    """With masses that make up for LAMMPS's own value of u Å²/ps² in eV the trajectory is the same again."""
    lmp = argon(NOTHING, "metal", "block 0 2 0 2 0 2", NVE)
    factor = FORCE_TO_ACCELERATION * 1e6 / lmp.extract_global("ftm2v")
    assert factor != 1.0 and factor == pytest.approx(1.0, abs=1e-6)
    with Host(lmp) as host:
        start = host.state()
        host.potential(lennard_jones(lmp))
        host.run(200)
        ours = host.state()
    system = type(start.system)(
        start.system.numbers, start.system.masses * factor, start.system.index, start.system.pbc
    )
    end = simulate(start.replace(system=system), lennard_jones(lmp), VelocityVerlet(), 200, host.dt)
    assert float((ours.positions - end.positions).abs().max()) < 1e-8


@pytest.mark.parametrize(
    ("integrator", "steps"), [(VelocityVerlet(), 1000), (Langevin(100.0, 0.01), 100)], ids=["nve", "langevin"]
)
def test_an_integrator_of_labkit_moves_atoms_of_lammps(integrator, steps):
    """The same steps as in the engine, noise included; the forces are those of LAMMPS."""
    lmp = argon(NATIVE, region="block 0 2 0 2 0 2")
    with Host(lmp) as host:
        start = host.state().replace(seed=5)
        host.integrator(integrator, seed=5)
        host.run(30)
        host.run(steps - 30)
        ours = host.state()
    end = simulate(start, lennard_jones(lmp), integrator, steps, host.dt)
    assert float((start.positions - end.positions).abs().max()) > 0.1
    assert float((ours.positions - end.positions).abs().max()) < 1e-8
    assert float((ours.velocities - end.velocities).abs().max()) < 1e-9
    assert lmp.extract_global("ntimestep") == steps


@dataclass(frozen=True, eq=False)
class Heun(Integrator):
    """Two evaluations a step: x += dt c (F(x) + F(x')) / 2, x' = x + dt c F(x)."""

    def init(self, state, potential):
        return evaluated(state, potential)

    def step(self, state, potential, dt):
        ahead = potential.evaluate(state.replace(positions=state.positions + 0.01 * dt * state.forces)).forces
        moved = state.replace(positions=state.positions + 0.005 * dt * (state.forces + ahead), step=state.step + 1)
        return evaluated(moved, potential)


def test_a_step_may_ask_for_forces_twice():
    lmp = argon(NATIVE, region="block 0 2 0 2 0 2")
    seen = Record(lambda state: state.positions.sum()[None], every=2)
    with Host(lmp) as host:
        start = host.state()
        host.integrator(Heun(), evaluations=2)
        host.observer(seen)
        host.run(10)
        ours = host.state()
    assert lmp.extract_global("ntimestep") == 20 and seen.steps.tolist() == [0, 2, 4, 6, 8, 10]
    end = simulate(start, lennard_jones(lmp), Heun(), 10, host.dt)
    assert float((ours.positions - end.positions).abs().max()) < 1e-10
    with pytest.raises(LabkitError, match=r"evaluates forces more than 1 times.*evaluations=2"), Host(lmp) as host:
        host.integrator(Heun())
        host.run(3)


@dataclass(frozen=True, eq=False)
class Lift(Integrator):
    """Moves along z, up in each second step, and asks for no forces."""

    def init(self, state, potential):
        return state

    def step(self, state, potential, dt):
        moved = state.positions + torch.tensor([0.0, 0.0, 0.01]) * (state.loop_step % 2)
        return state.replace(positions=moved, step=state.step + 1)


@pytest.mark.parametrize("evaluations", [1, 2])
def test_a_step_may_ask_for_no_forces_and_move_nothing(evaluations):
    lmp = argon(NATIVE, region="block 0 2 0 2 0 2")
    seen = Record(lambda state: state.positions[0, 2][None], every=1)
    with Host(lmp) as host:
        host.integrator(Lift(), evaluations=evaluations)
        host.observer(seen)
        host.run(5)
        host.run(3)
    assert host.step == 8 * evaluations
    rises = seen.values[:, 0, 0] - seen.values[0, 0, 0]
    assert rises.tolist() == pytest.approx([0.0, 0.0, 0.01, 0.01, 0.02, 0.02, 0.03, 0.03, 0.04], abs=1e-8)


@pytest.mark.parametrize("walk", [VelocityVerlet(), Brownian(FLUID, 0.0, "euler", drift=False), Brownian(FLUID, 0.0)])
def test_what_rests_without_forces_rests(walk):
    places = cloud(4, 40.0, 23.0)
    with lammps(lammps_commands(places, 20.0)) as lmp, Host(lmp) as host:
        host.integrator(walk)
        host.run(10)
        assert torch.equal(host.state().positions, places) and host.count(host.step) == 10


def test_two_evaluations_go_on_as_in_one_run():
    """The step that the noise depends on, and which observers are told, is the integrator's."""
    places, ends, told = cloud(8, 60.0, 23.0), [], []
    for parts in (10,), (5, 5):
        seen = Record(lambda state: state.positions.sum()[None], every=1)
        with lammps(lammps_commands(places, 20e3)) as lmp, Host(lmp) as host:
            host.integrator(Brownian(FLUID, 300.0), seed=3)
            host.observer(seen)
            for part in parts:
                host.run(part)
            assert host.step == 20
            ends.append(host.state())
            told.append(seen.steps.tolist())
    assert float((ends[0].positions - places).abs().max()) > 1
    assert float((ends[0].positions - ends[1].positions).abs().max()) < 1e-10
    assert told == [list(range(11))] * 2 and ends[0].loop_step == ends[1].loop_step == 10


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (NVE, r"step 1: .*atom \d+ is .* Å from where VelocityVerlet has put it: another fix also moves it"),
        ("fix p all press/berendsen iso 0 0 1.0", "LAMMPS changes the box while VelocityVerlet moves atoms in it"),
    ],
)
def test_no_other_fix_moves_what_an_integrator_moves(more, message):
    lmp = argon(NATIVE, region="block 0 2 0 2 0 2", more=more)
    with pytest.raises(LabkitError, match=message), Host(lmp) as host:
        host.integrator(VelocityVerlet())
        host.run(50)


def test_several_hooks_on_groups():
    """Two potentials, one on a part, an integrator on that part and LAMMPS's own on the rest, and observers of both."""
    more = "group few id 3 30 9 17\ngroup others subtract all few\nfix nve others nve"
    lmp = argon(NOTHING, "lj", "block 0 2 0 2 0 2", more)
    well, seen = Well(torch.tensor([0.4, 0.4, 0.4])), Record(lambda s: s.velocities[None, :, 0])
    seen.every = 10
    with Host(lmp, units=REDUCED) as host:
        start, few = host.state(), host.state("few")
        assert host.state("few").positions[1].tolist() == start.positions[8].tolist()  # in the order of their IDs
        host.observer(seen, "all")
        host.integrator(VelocityVerlet(), "few")
        host.potential(lennard_jones(lmp, "lj"))
        host.potential(well, "few", name="well")
        host.run(200)
        ours, drawn = host.state(), lmp.extract_fix("well", 0, 0)
    chosen = torch.tensor([2, 8, 16, 29])
    assert torch.equal(start.positions[chosen], few.positions)
    whole = lennard_jones(lmp, "lj") + Well(torch.tensor([0.4, 0.4, 0.4]), chosen)
    watched = Record(seen.function, every=10)
    end = simulate(start, whole, VelocityVerlet(), 200, host.dt, observers=[watched])
    assert float((ours.positions - end.positions).abs().max()) < 1e-9
    assert drawn == pytest.approx(float(whole.potentials[1].evaluate(end).energy), rel=1e-9)
    assert seen.steps.tolist() == watched.steps.tolist() == list(range(0, 201, 10))
    assert float((seen.values - watched.values).abs().max()) < 1e-8  # of the whole step, whoever moves the atom


class Well(Potential):
    """E = Σ k (r - r0)² / 2 over some atoms; all by default."""

    cutoff = 0.0

    def __init__(self, centre, chosen=slice(None)):
        super().__init__()
        self.centre, self.chosen = centre, chosen

    def energy(self, system, positions, cell, neighbours):
        return 0.5 * (positions[self.chosen] - self.centre).square().sum()[None]


def test_an_observer_is_read_in_lammps_and_told_the_energy():
    class Seen(Observer):
        every, value, energies = 5, None, []

        def __call__(self, state, evaluation):
            self.value = state.positions.mean(0)
            self.energies.append(float(evaluation.energy))

    lmp, seen = argon(NATIVE, region="block 0 2 0 2 0 2", more=NVE), Seen()
    with Host(lmp) as host:
        name = host.observer(seen, name="middle")
        lmp.command("variable y equal f_middle[2]")
        host.run(10)
        assert lmp.extract_fix(name, 0, 1, 1) == pytest.approx(float(host.state().positions.mean(0)[1]), abs=1e-12)
        assert lmp.extract_variable("y") == pytest.approx(float(seen.value[1]))
        assert seen.energies[-1] == pytest.approx(lmp.get_thermo("pe"), rel=1e-12) and len(seen.energies) == 3


def test_an_observer_of_the_engine_writes_its_file(tmp_path):
    """The temperature of velocities of whole steps, against LAMMPS's own (which leaves out the centre of mass)."""
    lmp = argon(NATIVE, region="block 0 2 0 2 0 2", more=NVE)
    with Host(lmp) as host:
        host.observer(Thermodynamics(tmp_path / "run.csv", every=10))
        host.run(20)
    rows = (tmp_path / "run.csv").read_text().splitlines()
    last = dict(zip(rows[0].split(","), rows[-1].split(",")))
    (name,) = [column for column in last if "temperature" in column]
    assert len(rows) == 4 and last["step"] == "20"
    assert float(last[name]) * 32 / 31 == pytest.approx(lmp.get_thermo("temp"), rel=1e-5)


def test_an_open_system_has_its_virial():
    pressures = []
    for pair in (NATIVE, NOTHING):
        lmp = argon(pair, region="block 0 2 0 2 0 2", boundary="s s s", more=NVE)
        with Host(lmp) as host:
            if pair is NOTHING:
                host.potential(lennard_jones(lmp))
            host.run(5)
            pressures.append([lmp.get_thermo(name) for name in ("press", "pxy")])
    assert pressures[0] == pytest.approx(pressures[1], rel=1e-7)


class Failing(Potential):
    """Works four times, then raises what it was given."""

    cutoff = 0.0

    def __init__(self, error):
        super().__init__()
        self.error, self.calls = error, 0

    def energy(self, system, positions, cell, neighbours):
        self.calls += 1
        if self.calls == 5:
            raise self.error
        return positions.sum()[None] * 0


def test_lammps_ends_with_the_step_in_which_a_model_raises():
    lmp, model = argon(NATIVE, region="block 0 2 0 2 0 2", more=NVE), Failing(RuntimeError("singular matrix"))
    with Host(lmp) as host:
        host.potential(model)
        with pytest.raises(
            LabkitError, match=r"step 4: hook labkit1 \(Failing on group all\): RuntimeError: sing"
        ) as e:
            host.run(100)
        assert host.step == 4 and model.calls == 5
        lines = "".join(traceback.format_exception(e.value.__cause__))
        assert "raise self.error" in lines  # the traceback of the model itself
        host.run(3)  # mended: it goes on
        assert host.step == 7


def test_an_error_at_the_first_evaluation_and_in_an_integrator():
    lmp, model = argon(NATIVE, region="block 0 2 0 2 0 2"), Failing(LabkitError("no such atom"))
    model.calls = 4
    with Host(lmp) as host:
        host.potential(model)
        with pytest.raises(LabkitError, match=r"step 0: .*: no such atom\. LAMMPS was ended"):
            host.run(100)
        assert host.step == 0

    @dataclass(frozen=True, eq=False)
    class Stuck(VelocityVerlet):
        def step(self, state, potential, dt):
            if state.loop_step == 2:
                raise ZeroDivisionError("1/0")
            return super().step(state, potential, dt)

    with Host(lmp) as host:
        host.integrator(Stuck())
        with pytest.raises(LabkitError, match=r"step 2: .*Stuck.*ZeroDivisionError: 1/0"):
            host.run(10)


def test_a_run_started_without_the_host_ends_too_and_its_error_is_raised_in_the_end():
    lmp = argon(NATIVE, region="block 0 2 0 2 0 2", more=NVE)
    with pytest.raises(LabkitError, match="step 4: .*lost"), Host(lmp) as host:
        host.potential(Failing(RuntimeError("lost")))
        lmp.command("run 50")
        assert host.step == 4
        lmp.command("run 50")
        assert host.step == 4
    lmp.command("run 1")
    assert lmp.extract_global("ntimestep") == 5 and not set(lmp.available_ids("fix")) & {"labkit1"}


def test_commands_other_than_run():
    """LAMMPS minimises what labkit computes, to the same minimum as with its own pair style."""
    energies = []
    for pair in (NATIVE, NOTHING):
        lmp = argon(pair, region="block 0 2 0 2 0 2")
        with Host(lmp) as host:
            if pair is NOTHING:
                host.potential(lennard_jones(lmp))
            host.command("minimize 1e-12 1e-10 200 400")
            energies.append(lmp.get_thermo("pe"))
    assert energies[0] == pytest.approx(energies[1], rel=1e-9)


class StopAfter:
    """Wants to stop when it has been told so often."""

    def __init__(self, reports):
        self.reports, self.said = reports, []

    def update(self, step, total, **metrics):
        self.said.append((step, total))

    def should_stop(self):
        return len(self.said) == self.reports


@pytest.mark.parametrize("moved_by", ["lammps", "labkit"])
def test_stop_ends_with_a_whole_step_and_another_run_goes_on(moved_by, monkeypatch):
    """Stopped after 7 steps and run for 13 more, it is where 20 in one go lead to."""
    monkeypatch.setattr("labkit.lammps.run_progress.PERIOD", 0.0)
    ends = []
    for stop in (True, False):
        lmp = argon(NOTHING, "metal", "block 0 3 0 3 0 3", NVE if moved_by == "lammps" else "")
        with Host(lmp) as host:
            host.potential(lennard_jones(lmp))
            if moved_by == "labkit":
                host.integrator(VelocityVerlet())
            if stop:
                stopping = StopAfter(8)
                with pytest.raises(Stopped, match="stopped after 7 of 20 steps"):
                    host.run(20, progress=stopping)
                assert stopping.said == [(k, 20) for k in range(8)] and host.step == 7
                reported = StopAfter(0)
                host.run(13, progress=reported)
                assert reported.said[0] == (0, 13) and reported.said[-1] == (13, 13)
            else:
                host.run(20)
            ends.append((host.step, host.state().positions, host.state().velocities))
    (step, x, v), (step_whole, x_whole, v_whole) = ends
    assert step == step_whole == 20
    assert (x - x_whole).abs().max() < 1e-10 and (v - v_whole).abs().max() < 1e-12


def test_a_run_without_hooks_can_be_stopped(monkeypatch):
    monkeypatch.setattr("labkit.lammps.run_progress.PERIOD", 0.0)
    lmp = argon(NATIVE, region="block 0 2 0 2 0 2", more=NVE)
    with Host(lmp) as host, pytest.raises(Stopped, match="stopped after 4 of 50 steps"):
        host.run(50, progress=StopAfter(5))
    assert host.step == 4 and not host.hooks and "labkit1" not in lmp.available_ids("fix")


def test_ctrl_c_while_lammps_computes():
    """It comes while LAMMPS's own code is at work, for the observer has nothing to do; whole steps are made."""
    lmp = argon(NATIVE, region="block 0 9 0 9 0 9", more=NVE)
    with Host(lmp) as host:
        host.observer(Record(lambda state: state.positions.sum()[None], every=10**6))
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            host.run(10**5)
        assert host.step < 10**5 and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        first = host.step
        host.run(5)
        assert host.step == first + 5


@dataclass(frozen=True, eq=False)
class Pressed(VelocityVerlet):
    """Somebody presses Ctrl-C while the step from 3 to 4 begins."""

    def step(self, state, potential, dt):
        if state.loop_step == 3 and signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            os.kill(os.getpid(), signal.SIGINT)
        return super().step(state, potential, dt)


def test_ctrl_c_while_an_integrator_works_leaves_whole_steps():
    """The hooks after it, in the same step of LAMMPS, do not end the run: it has begun its next step."""
    ends = []
    for integrator in Pressed(), VelocityVerlet():
        lmp = argon(NATIVE, region="block 0 2 0 2 0 2")
        with Host(lmp) as host:
            host.integrator(integrator)
            host.observer(Record(lambda state: state.positions.sum()[None], every=1))
            if isinstance(integrator, Pressed):
                with pytest.raises(KeyboardInterrupt):
                    host.run(20)
                assert host.step == 4
            host.run(20 - host.step)
            ends.append(host.state())
    assert float((ends[0].positions - ends[1].positions).abs().max()) < 1e-10


def test_ctrl_c_during_another_command():
    lmp = argon(NOTHING, region="block 0 2 0 2 0 2", more="min_style fire")
    with Host(lmp) as host:
        host.potential(lennard_jones(lmp))
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            host.command("minimize 0 0 1000000 10000000")
        host.run(1)


def test_interrupts_come_through():
    lmp = argon(NATIVE, region="block 0 2 0 2 0 2", more=NVE)
    with pytest.raises(KeyboardInterrupt), Host(lmp) as host:
        host.potential(Failing(KeyboardInterrupt()))
        host.run(50)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda host: host.potential(Failing(None), "mobil"), "group 'mobil': LAMMPS has .*did you mean 'mobile'"),
        (lambda host: host.potential(Failing(None), "mobile"), "group 'mobile': has no atoms"),
        (lambda host: host.observer(print), "observer .*: expected something to call"),
        (lambda host: host.integrator(VelocityVerlet(), evaluations=0), "evaluations is 0"),
        (lambda host: (host.integrator(VelocityVerlet()), host.integrator(VelocityVerlet())), "share atoms"),
        (lambda host: host.command("fix a all nvee"), "LAMMPS: fix a all nvee: .*nvee"),
        (lambda host: host.run(-1), "steps is -1"),
        (lambda host: host.potential(Failing(None), name="a b"), "name 'a b': expected letters"),
        (lambda host: [host.potential(Failing(None), name="a") for _ in "ab"], "name 'a': LAMMPS has a fix"),
        (lambda host: (host.observer(Record(None)), host.command("run 1")), r"started by host\.run"),
        (lambda host: Host(host.lmp, elements={1: "Ax"}), ""),
    ],
)
def test_what_is_wrong_is_said_before_a_run(use, message):
    lmp = argon(NATIVE, region="block 0 2 0 2 0 2", more="group mobile type 2")
    with Host(lmp) as host:
        if not message:
            with pytest.raises(LabkitError, match="'Ax' is not an element"):
                use(host).state()
            return
        with pytest.raises(LabkitError, match=message):
            use(host)


def test_reduced_units_want_a_scale_and_types_become_elements():
    lmp = argon(NATIVE, "lj", "block 0 2 0 2 0 2")
    with pytest.raises(LabkitError, match=r"units lj: .*Units\.lj\(sigma="):
        Host(lmp)
    scaled = Host(lmp, units=Units.lj(3.4, 0.0104, 39.948)).state()
    assert scaled.system.numbers.tolist() == [18] * 32  # by their mass
    assert float(scaled.cell[0, 0, 0]) == pytest.approx(3.4 * lmp.get_thermo("lx"))
    assert set(Host(lmp, units=REDUCED, elements=["O", "H"]).state().system.numbers.tolist()) == {8}


def test_what_rests_is_seen_at_rest():
    """Half of a kick is missing in the velocities of what `fix nve` moves, and only there."""
    lmp = argon(NATIVE, region="block 0 2 0 2 0 2", more="group half id 1:16\nvelocity all set 0 0 0\nfix 1 half nve")
    seen = Record(lambda state: state.velocities.norm(dim=1)[None], every=1)
    with Host(lmp) as host:
        host.observer(seen)
        host.run(3)
    assert (seen.values[-1, 0, 16:] == 0).all() and (seen.values[-1, 0, :16] > 0).all()


def test_a_restart_file_goes_on_with_the_same_noise(tmp_path):
    walk, ends = Langevin(100.0, 0.01), []
    lmp = argon(NATIVE, region="block 0 2 0 2 0 2")
    with Host(lmp) as host:
        host.integrator(walk, seed=4)
        host.run(20)
        lmp.command(f"write_restart {tmp_path}/middle")
        host.run(20)
        ends.append(host.state())
    with lammps(f"atom_modify map yes\nread_restart {tmp_path}/middle") as again, Host(again) as host:
        host.integrator(walk, seed=4)
        host.run(20)
        ends.append(host.state())
    assert ends[0].loop_step == ends[1].loop_step == 40
    assert float((ends[0].positions - ends[1].positions).abs().max()) < 1e-9


CHAIN = """units metal
atom_style bond
atom_modify map yes
boundary f f f
region box block -50 50 -50 50 -50 50
create_box 2 box bond/types 1 extra/bond/per/atom 2
create_atoms 1 single 0 0 0
create_atoms 2 single 0 1.6 0.2
create_atoms 1 single 3.7 0.3 -0.2
create_atoms 1 single 7.1 -0.9 1.0
mass * 12.0
bond_style zero
bond_coeff * 1.0
pair_style zero 12.0
pair_coeff * *
special_bonds lj/coul 1 1 1
create_bonds single/bond 1 1 2
create_bonds single/bond 1 1 3
create_bonds single/bond 1 3 4
group tail id 3 4
timestep 0.001
fix nve all nve"""


def test_a_prior_by_types_moves_beads_in_lammps_as_in_the_engine():
    """Names and bonds come from LAMMPS; 12 u are no carbon where types are named."""
    prior = TypedForceField(
        {
            "bonds": TypedTerm(
                HarmonicBonds, {("CA", "CA"): {"k": 12.0, "r0": 3.8}, ("CA", "CB"): {"k": 27.0, "r0": 1.6}}
            ),
            "angles": TypedTerm(HarmonicAngles, {("*", "CA", "*"): {"k": 0.4, "theta0": 1.9}}),
            "repulsion": TypedTerm(RepulsionCG, {"*": {"sigma": 3.0, "epsilon": 0.03}}, exclude=2),
        }
    )
    lmp = lammps(CHAIN)
    with Host(lmp, types=["CA", "CB"]) as host:
        start = host.state()
        system, tail = start.system, host.state("tail").system
        assert [system.type_name(k) for k in range(4)] == ["CA", "CB", "CA", "CA"]
        assert system.numbers.tolist() == [0] * 4 and system.bonds.tolist() == [[0, 1], [0, 2], [2, 3]]
        assert tail.bonds.tolist() == [[0, 1]] and tail.type_name(1) == "CA"
        host.potential(prior)
        host.run(200)
        ours = host.state()
    assert float((ours.positions - start.positions).abs().max()) > 0.05
    end = simulate(start, prior, VelocityVerlet(), 200, 1.0)
    assert float((ours.positions - end.positions).abs().max()) < 1e-5  # LAMMPS's own constants
    assert Host(lmp).state().system.numbers.tolist() == [6] * 4
    with pytest.raises(LabkitError, match="types: names are given for atom type 3, but LAMMPS has types 1 to 2"):
        Host(lmp, types={3: "CB"}).state()


def test_what_has_no_elements_has_types():
    system = Host(lammps(CHAIN.replace("12.0\nbond", "13.3\nbond"))).state().system
    assert system.numbers.tolist() == [0] * 4 and [system.type_name(k) for k in range(4)] == ["1", "2", "1", "1"]
