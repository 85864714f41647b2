"""The Dynamics panel without a screen: what moves obeys the same physics as `simulate`, and can be turned meanwhile."""

import builtins
import io
import time
from dataclasses import replace

import ase.io
import numpy as np
import pandas as pd
import pytest
import torch
from ase.build import bulk, molecule
from PIL import Image

import labkit
from labkit.active import GpVariance
from labkit.base import Committee, Potential, State
from labkit.engine import Langevin, VelocityVerlet, maxwell_boltzmann, simulate
from labkit.engine.observers import Record
from labkit.errors import LabkitError
from labkit.gap import Design, GapConfig, GapModel, Soap
from labkit.neural import Weights, train, untrained
from labkit.panels import Curves, DynamicsPanel
from labkit.panels.dynamics.model import DynamicsModel
from labkit.panels.dynamics.spread import SPREADS
from labkit.panels.kit.potentials import sees_stresses


class Springs(Potential):
    """Every atom on a spring of 5 eV/Å² at its place: harmonic, and exact."""

    cutoff = 0.0

    def __init__(self, atoms, stiffness=5.0, seconds=0.0):
        super().__init__()
        self.places, self.stiffness, self.seconds = torch.as_tensor(atoms.positions), stiffness, seconds

    def energy(self, system, positions, cell, neighbours):
        time.sleep(self.seconds)
        return system.sum_over_atoms(0.5 * self.stiffness * (positions - self.places).square().sum(1))


@pytest.fixture
def copper():
    return bulk("Cu", cubic=True)


@pytest.fixture(scope="module")
def ice():
    train = labkit.datasets.ice("train", n=50)
    settings = GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=40), sigma_force=0.05, sigma_virial=None)
    return Design.build(train[:20], settings).solve(), train.atoms[0]


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def run(panel, **settings):
    for name, value in settings.items():
        setattr(panel.model, name, value)
    panel.run()
    return panel.job.wait(30)


def test_a_run_is_that_of_simulate(copper):
    panel = DynamicsPanel(Springs(copper), copper)
    motion = run(panel, steps=150, dt=1.0)
    record = Record(lambda state: state.energy, every=1)
    state = maxwell_boltzmann(State.from_atoms(copper, seed=1), 300.0)
    state = simulate(state, Springs(copper), VelocityVerlet(), 150, 1.0, observers=[record])
    torch.testing.assert_close(motion.state.positions, state.positions, rtol=0, atol=1e-12)
    np.testing.assert_allclose(panel.log["potential_eV"], record.values[:, 0, 0], atol=1e-12)
    assert list(panel.log.index) == list(range(151)) and panel.log["time_fs"].iloc[-1] == pytest.approx(150.0)
    assert panel.log["total_eV"].std() < 0.01 * panel.log["kinetic_eV"].std()
    assert panel.model.status == "done" and panel.model.fraction == 1.0
    assert Image.open(io.BytesIO(panel.model.picture)).width == 960


def test_continue_goes_on_and_run_begins_anew(copper):
    panel = DynamicsPanel(Springs(copper), copper)
    assert panel.continue_button.disabled
    with pytest.raises(LabkitError, match="press Run first"):
        panel.go_on()
    run(panel, steps=60, dt=1.0)
    assert not panel.continue_button.disabled
    panel.go_on()
    panel.job.wait(30)
    state = maxwell_boltzmann(State.from_atoms(copper, seed=1), 300.0)
    state = simulate(state, Springs(copper), VelocityVerlet(), 120, 1.0)
    torch.testing.assert_close(panel.model.results.state.positions, state.positions, rtol=0, atol=1e-12)
    assert list(panel.log.index) == list(range(121)) and panel.model.results.legs == (("VelocityVerlet()", 1.0, 120),)
    assert len(panel.trajectory) == 121  # every step: the runs are short
    run(panel)
    assert list(panel.log.index) == list(range(61)) and len(panel.trajectory) == 61


def test_the_temperature_may_be_turned_while_it_runs(copper):
    panel = DynamicsPanel(Springs(copper, seconds=2e-4), copper * (2, 2, 2))
    panel.model.potentials[""].places = torch.as_tensor((copper * (2, 2, 2)).positions)
    for name, value in {"ensemble": "NVT, Langevin", "friction": 0.05, "steps": 20_000, "dt": 2.0}.items():
        setattr(panel.model, name, value)
    panel.run()
    until(lambda: panel.model.results is not None and panel.model.results.state.loop_step > 50)
    panel.model.temperature = 900.0
    turned = panel.model.results.state.loop_step
    until(lambda: panel.model.results.state.loop_step > turned + 500)
    panel.stop()
    panel.job.wait(5)
    log = panel.log
    first = int(log.index[log["target_K"] == 900.0][0])
    assert first - turned < 400  # blocks last a tenth of a second
    assert log.loc[log.index > first + 300, "temperature_K"].mean() == pytest.approx(900, rel=0.15)
    assert [leg[0] for leg in panel.model.results.legs] == [
        "Langevin(temperature=300.0, friction=0.05)", "Langevin(temperature=900.0, friction=0.05)",
    ]  # fmt: skip
    assert panel.model.status == "stopped" and log.index[-1] == panel.model.results.state.loop_step


def test_stop_ends_a_slow_run_within_a_step(copper):
    panel = DynamicsPanel(Springs(copper, seconds=0.05), copper)
    panel.model.steps = 10_000
    panel.run()
    until(lambda: panel.model.results is not None)
    panel.stop()
    assert panel.model.status == "stopping"
    until(lambda: panel.job.status == "stopped", 0.5)
    panel.job.wait(5)
    step = panel.model.results.state.loop_step
    panel.model.steps = 3
    panel.go_on()
    assert panel.job.wait(5).state.loop_step == step + 3


def test_continue_after_stop_counts_the_steps_that_are_left(copper):
    panel = DynamicsPanel(Springs(copper, seconds=1e-3), copper)
    panel.model.steps = 400
    panel.run()
    until(lambda: panel.model.results is not None and panel.model.results.state.loop_step > 5)
    panel.stop()
    assert 5 < panel.job.wait(5).state.loop_step < 400
    panel.go_on()
    assert panel.job.wait(30).state.loop_step == 400
    panel.go_on()  # nothing is left: as many again
    assert panel.job.wait(30).state.loop_step == 800


def test_what_is_shown_follows_a_run_and_says_what_was_changed_after_it(copper):
    panel = DynamicsPanel(Springs(copper, seconds=1e-3), copper)
    panel.model.ensemble, panel.model.steps = "NVT, Langevin", 3000
    panel.run()
    until(lambda: panel.model.results is not None)
    panel.model.temperature, panel.model.seed = 400.0, 7
    until(lambda: len(panel.model.results.legs) == 2)
    assert panel.model.changed == "seed 1 (now 7)" and "Langevin(temperature=400.0" in panel.model.code()
    panel.stop()
    panel.job.wait(5)
    assert panel.model.changed == "seed 1 (now 7)"
    code = panel.model.code()
    panel.model.temperature = 500.0
    assert "temperature 400 K (now 500 K)" in panel.model.changed and panel.model.code() == code
    assert "settings changed" in panel.state.value


def test_a_pressure_from_a_model_without_stresses_is_a_guess(ice):
    panel = DynamicsPanel(*ice)
    run(panel, ensemble="NPT, cell rescaling", steps=5)
    assert "fitted without stresses" in panel.note.value
    run(panel, ensemble="NVE")
    assert "stresses" not in panel.note.value
    frames = labkit.datasets.ice("train", n=50)[:6]
    stressed = Design.build(frames, GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=20))).solve()
    panel = DynamicsPanel(stressed, ice[1])
    run(panel, ensemble="NPT, cell rescaling", steps=5)
    assert "stresses" not in panel.note.value
    blind = replace(frames, stress=np.full_like(frames.stress, np.nan))  # a sigma for stresses that no frame has
    unseen = Design.build(blind, GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=20))).solve()
    assert sees_stresses(stressed) and not sees_stresses(unseen) and not sees_stresses(ice[0])


def test_a_neural_potential_runs_and_tells_whether_it_knows_stresses():
    frames = labkit.datasets.ice("train", n=50)[:4]
    potential, blind = (untrained(frames, channels=8, cutoff=3.0) for _ in range(2))
    train(potential, frames, steps=2)
    train(blind, frames, steps=2, weights=Weights(stress=0.0))
    assert sees_stresses(potential) and not sees_stresses(blind) and sees_stresses(untrained(frames, channels=8))
    panel = DynamicsPanel(potential, frames.atoms[0])
    panel.model.steps = 10
    panel.run()
    assert panel.job.wait(60).state.loop_step == 10
    assert np.isfinite(panel.log["potential_eV"]).all()
    assert "NeuralPotential.load" in panel.model.code() and "potential.safetensors" in panel.model.files()


@pytest.mark.parametrize("ensemble", ["NVT, Langevin", "NVT, CSVR"])
def test_thermostats_reach_their_temperature(copper, ensemble):
    atoms = copper * (3, 3, 3)
    panel = DynamicsPanel(Springs(atoms), atoms)
    run(panel, ensemble=ensemble, steps=600, dt=2.0, friction=0.02, time=50.0)
    assert panel.log["temperature_K"].iloc[300:].mean() == pytest.approx(300, rel=0.1)
    assert (panel.log["target_K"] == 300).all()


def test_pressure_changes_the_cell_where_there_is_one(ice):
    panel = DynamicsPanel(*ice)
    run(panel, ensemble="NPT, cell rescaling", steps=40)
    assert panel.log["volume_A3"].std() > 0.01
    alone = DynamicsModel(ice[0], molecule("H2O"))
    assert "NPT, cell rescaling" not in alone.ensembles
    alone.ensemble = "NPT, cell rescaling"
    with pytest.raises(LabkitError, match="expected one of NVE, NVT, Langevin"):
        alone.run()


def test_too_large_a_timestep_explodes_and_says_so(ice):
    panel = DynamicsPanel(*ice)
    panel.model.dt = 5.0
    panel.run()
    with pytest.raises(LabkitError, match=r"step \d+: .*timestep is too large \(it is 5 fs"):
        panel.job.wait(30)
    assert panel.model.status == "failed" and "timestep is too large" in panel.error.value
    assert "checkpoint" not in panel.model.message
    log = panel.log
    assert np.isfinite(log.drop(columns="target_K")).all().all() and 2 < len(log) < 200
    assert log["total_eV"].iloc[-1] > log["total_eV"].iloc[0] + 12.0  # more than 1 eV an atom: it shot up
    assert reds(panel.model.picture) > 1000
    panel.model.dt = 0.5
    run(panel, steps=5)
    assert panel.error.value == "" and len(panel.log) == 6


def test_the_spread_of_an_exploded_run_is_drawn_to_its_end(ice):
    """Also if it explodes before the second measurement, and with a dot if there was only one."""
    panel = DynamicsPanel(*ice)
    panel.model.dt, panel.model.steps = 5.0, 20_000
    panel.run()
    with pytest.raises(LabkitError, match="timestep is too large"):
        panel.job.wait(30)
    found, last = panel.model.results.spreads, panel.log.index[-1]
    assert last < 20_000 // SPREADS and [step for step, *_ in found] == [0, last]
    curve = next(s for s in panel.model.plotted.series if s.name == "least certain atom")
    np.testing.assert_allclose(curve.x, [0.0, panel.log["time_fs"].iloc[-1]])
    assert found[-1][2].outside and "Outside its data" in panel.model.note
    assert panel.model._figure.spread.curve.get_marker() == "o"


def reds(png):
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3).astype(int)
    return int(((pixels[:, 0] > pixels[:, 1] + 10) & (abs(pixels[:, 1] - pixels[:, 2]) < 12)).sum())


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("temperature", -5.0, "temperature is -5 K"),
        ("dt", 0.0, "timestep is 0 fs"),
        ("steps", 0, "steps is 0"),
        ("ensemble", "NVX", "ensemble is 'NVX'"),
        ("potential", "none", "potential is 'none'"),
    ],
)
def test_settings_that_make_no_sense(copper, name, value, sentence):
    model = DynamicsModel(Springs(copper), copper)
    setattr(model, name, value)
    with pytest.raises(LabkitError, match=sentence):
        model.run()
    assert sentence in model.message and model.job is None
    with pytest.raises(LabkitError, match="no potential"):
        DynamicsPanel({}, copper)


def test_nonsense_set_while_it_runs_is_said(copper):
    panel = DynamicsPanel(Springs(copper, seconds=1e-3), copper)
    panel.model.ensemble, panel.model.steps = "NVT, Langevin", 2000
    panel.run()
    until(lambda: panel.model.results is not None and panel.model.results.state.loop_step > 5)
    panel.model.friction = -1.0
    with pytest.raises(LabkitError, match="friction is"):
        panel.job.wait(5)
    assert len(panel.log) > 1


def test_potentials_to_choose_from(copper):
    panel = DynamicsPanel({"soft": Springs(copper, 1.0), "stiff": Springs(copper, 9.0)}, copper)
    spread = {}
    for name in ("soft", "stiff"):
        run(panel, potential=name, steps=100, dt=2.0)
        moved = np.array([frame.positions - copper.positions for frame in panel.trajectory])
        spread[name] = np.square(moved).mean()
    assert spread["soft"] / spread["stiff"] == pytest.approx(9.0, rel=0.5)
    panel.model.potential = "soft"
    with pytest.raises(LabkitError, match="used 'stiff'; press Run to start with 'soft'"):
        panel.go_on()


def test_shown_code_does_the_same_also_what_was_turned(ice, tmp_path, monkeypatch):
    panel = DynamicsPanel(*ice)
    run(panel, steps=30)
    panel.model.ensemble, panel.model.temperature, panel.model.steps = "NVT, Langevin", 400.0, 20
    panel.go_on()
    panel.job.wait(30)
    panel.model.seed, panel.model.temperature = 5, 100.0  # of a next run: the script is that of the last
    for name, content in panel.model.files().items():
        (tmp_path / name).write_bytes(content)
    log, frames = pd.read_csv(tmp_path / "run.csv"), ase.io.read(tmp_path / "run.extxyz", ":")
    assert len(frames) == len(panel.trajectory) == 51
    monkeypatch.chdir(tmp_path)
    exec(panel.model.code(), {})
    parts = [pd.read_csv("run.csv"), pd.read_csv("run2.csv")]
    assert list(parts[0]["step"]) == list(range(31)) and list(parts[1]["step"]) == list(range(31, 51))
    again = pd.concat(parts)
    for column in ("potential_eV", "kinetic_eV", "temperature_K"):
        np.testing.assert_allclose(log[column], again[column], rtol=1e-6)
    np.testing.assert_allclose(ase.io.read("run2.extxyz", "-1").positions, frames[-1].positions, atol=1e-6)


def test_code_before_the_first_run_is_that_of_the_parameters(copper):
    panel = DynamicsPanel(Springs(copper), copper)
    panel.model.ensemble, panel.model.temperature, panel.model.dt = "NVT, CSVR", 250.0, 1.5
    code = panel.model.code()
    assert (
        "Csvr(temperature=250.0), 1000, 1.5" in code
        and "\npotential  # your own potential, a Springs: define it above this line" in code
    )
    assert "potential = potential" not in code
    assert panel.model.files() == {}


def test_atoms_on_the_screen_follow_the_run(ice):
    panel = DynamicsPanel(*ice)
    run(panel, steps=50)
    view = panel.structure.model
    assert view.count >= 2 and view.index == view.count - 1 == panel.structure.slider.max
    run(panel, steps=5)
    assert 1 <= view.count <= 4


def test_without_nglview_a_picture_takes_its_place(copper, monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name in ("nglview", "labkit.panels.structure.viewer"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    panel = DynamicsPanel(Springs(copper), copper)
    monkeypatch.undo()
    assert panel.structure.viewer is None and panel.structure.model.still
    first = panel.structure.model.picture
    run(panel, steps=200, temperature=1000.0, dt=2.0)
    assert panel.structure.model.picture != first


def test_curves_are_a_picture():
    curves = {"a": ([0, 1], [0, 9]), "b": (torch.arange(3), torch.arange(3))}
    pictures = [Curves(curves, "r [Å]", "g", dashed=["b"], top=top).picture() for top in (None, 2.0)]
    assert pictures[0].data != pictures[1].data
    assert all(Image.open(io.BytesIO(found.data)).width > 600 and found.width == 640 for found in pictures)


def test_langevin_is_what_the_panel_says(copper):
    panel = DynamicsPanel(Springs(copper), copper)
    panel.model.ensemble = "NVT, Langevin"
    assert isinstance(panel.model.integrator(), Langevin)


def without_spread(model, folder):
    model.save(folder / "gap.safetensors", uncertainty=False)
    return GapModel.load(folder / "gap.safetensors")


def test_the_spread_is_drawn_and_does_not_change_the_run(ice, tmp_path):
    model, start = ice
    panel, plain = DynamicsPanel(model, start), DynamicsPanel(without_spread(model, tmp_path), start)
    motion, bare = (run(one, steps=100) for one in (panel, plain))
    assert torch.equal(motion.state.positions, bare.state.positions) and bare.spreads == []
    times = [time for _, time, _ in motion.spreads]
    assert 50 <= len(times) <= 120 and times == sorted(set(times)) and times[-1] <= 50.0
    step, _, found = motion.spreads[10]
    frame = State.from_atoms(panel.trajectory[step])
    assert found.spread == pytest.approx(float(GpVariance(model)(frame).per_atom[found.atom]))
    names = {axes.name for axes in panel.model.plotted.axes}
    assert names - {axes.name for axes in plain.model.plotted.axes} == {"Least certain atom"}
    curve = next(s for s in panel.model.plotted.series if s.name == "least certain atom")
    np.testing.assert_allclose(curve.y, [one.ratio for *_, one in motion.spreads])
    assert "Outside its data" not in panel.model.note
    panel.go_on()
    panel.job.wait(30)
    more = [time for _, time, _ in panel.model.results.spreads]
    assert len(more) > len(times) and more == sorted(set(more)) and more[-1] > 90.0


def test_outside_its_data_is_marked(ice):
    model, start = ice
    strange = start.copy()
    oxygen, hydrogen = 0, int(start.get_distances(0, np.flatnonzero(start.numbers == 1), mic=True).argmin())
    hydrogen = int(np.flatnonzero(start.numbers == 1)[hydrogen])
    strange.positions[hydrogen] += 0.4 * start.get_distance(oxygen, hydrogen, mic=True, vector=True)
    panel = DynamicsPanel(model, strange)
    run(panel, steps=20)
    found = panel.model.results.spreads[0][2]
    assert found.outside and panel.model.note.startswith("Outside its data from 0 fs on: atom ")
    assert f"{found.ratio:.2f} times" in panel.model.note
    crosses = next(s for s in panel.model.plotted.series if s.name == "outside its data")
    assert len(crosses.x) == sum(one.outside for *_, one in panel.model.results.spreads) > 0
    inside = DynamicsPanel(model, strange, known=[strange])
    run(inside, steps=1)
    assert "from 0 fs" not in inside.model.note  # it knows this very frame


def test_a_committee_shows_its_spread_and_asks_for_frames(copper):
    committee = Committee([Springs(copper, 4.0), Springs(copper, 5.0), Springs(copper, 6.0)])
    panel = DynamicsPanel(committee, copper)
    motion = run(panel, steps=60, dt=1.0)
    assert "known=frames" in panel.model.note and len(motion.spreads) > 50
    axes = next(axes for axes in panel.model.plotted.axes if axes.name == "Least certain atom")
    assert axes.labels[1] == "spread [meV/Å]"
    widest = max(motion.spreads, key=lambda each: each[2].spread)[0]
    known = DynamicsPanel(committee, copper, known=[panel.trajectory[widest]])
    run(known, steps=60, dt=1.0)
    assert "known=frames" not in known.model.note and "Outside" not in known.model.note


def test_a_run_that_was_kept_goes_on_as_it_would_have(copper, tmp_path):
    panel = DynamicsPanel(Springs(copper), copper)
    run(panel, ensemble="NVT, Langevin", steps=60, dt=1.0, seed=7)
    panel.model.keep(tmp_path / "kept")
    other = DynamicsPanel(Springs(copper), copper)
    for name in ("ensemble", "steps", "dt"):
        setattr(other.model, name, getattr(panel.model, name))
    other.model.bring_back(other.model.recall(tmp_path / "kept"), b"", "", "")
    assert other.model.started == panel.model.started and other.model.code() == panel.model.code()
    assert other.log.equals(panel.log) and other.model.files()["run.csv"] == panel.model.files()["run.csv"]
    assert len(other.structure.model.atoms) == 2  # the start, and the last frame
    for each in (panel, other):
        each.go_on().wait(30)
    assert other.log.equals(panel.log) and len(other.log) == 121
    stranger = DynamicsPanel(Springs(molecule("H2O")), molecule("H2O"))
    assert stranger.model.recall(tmp_path / "kept") is None


def test_a_run_that_was_stopped_and_kept_has_its_spread_and_the_steps_that_are_left(ice, tmp_path):
    model, start = ice
    panel = DynamicsPanel(model, start)
    panel.model.steps = 5000
    job = panel.run()
    while len(panel.model.results.spreads if panel.model.results else ()) < 2:
        time.sleep(0.01)
    panel.stop()
    job.wait(30)
    reached = panel.model.results.state.loop_step
    panel.model.keep(tmp_path / "kept")
    other = DynamicsPanel(model, start)
    other.model.steps = 5000
    other.model.bring_back(other.model.recall(tmp_path / "kept"), b"", "", "")
    assert other.model.results.spreads == panel.model.results.spreads and reached < 5000
    other.model.continuing = True
    other.model.make_job()
    assert other.model._stretch.end == 5000
