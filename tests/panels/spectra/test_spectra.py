"""The Spectra panel without a screen: the same as `simulate` with `Response`, shown as one likes, stopped, gone on."""

import io
import time

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import labkit
from labkit.base import Potential, State
from labkit.engine import VelocityVerlet, maxwell_boltzmann, simulate
from labkit.errors import LabkitError
from labkit.panels import SpectraPanel
from labkit.panels.spectra.model import SpectraModel
from labkit.panels.spectra.summary import words_of
from labkit.panels.spectra_figures import reach_figure
from labkit.polarizability import TensorDesign, with_label
from labkit.spectra import Response, correction

SHORT = {"replicas": 3, "picoseconds": 0.12, "equilibration": 0.0, "resolution": 400.0}  # 31 samples 4 fs apart


class Springs(Potential):
    """Every atom on a spring at its place: a hydrogen swings with 3670 cm⁻¹."""

    cutoff = 0.0

    def __init__(self, atoms):
        super().__init__()
        self.places = torch.as_tensor(atoms.positions)

    def energy(self, system, positions, cell, neighbours):
        shifts = positions - self.places.repeat(system.n_systems, 1)
        return system.sum_over_atoms(25.0 * shifts.square().sum(1))


@pytest.fixture(scope="module")
def models():
    """A potential, the frame to begin with, committees of both tensors of ice."""
    train = labkit.datasets.ice("train", n=50)
    labelled, small = with_label(train, "born_charges")[:10], {"n_max": 2, "l_max": 2, "n_features": 10, "n_sparse": 12}
    tensors = [TensorDesign.build(labelled, name, **small) for name in ("polarizability", "born_charges")]
    return Springs(train.atoms[0]), train.atoms[:1], *(design.committee(1e-3, members=4) for design in tensors)


@pytest.fixture
def panel(models):
    panel = SpectraPanel(*models, **SHORT)
    yield panel
    panel.close()


def run(panel):
    panel.run()
    return panel.job.wait(60)


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_spectra_are_those_of_a_response(panel, models):
    springs, frames, alpha, charges = models
    found = run(panel)
    response = Response(polarizability=alpha, born_charges=charges, velocities=True, every=8)
    state = maxwell_boltzmann(State.from_atoms(frames * 3, seed=1), 300.0)
    simulate(state, springs, VelocityVerlet(), 240, 0.5, observers=[response])
    assert found.state.loop_step == 240 and panel.model.status == "done" and panel.model.fraction == 1.0
    expected = {"infrared": response.infrared(resolution=400.0), "density_of_states": None}
    expected["density_of_states"] = response.density_of_states(resolution=400.0).total
    expected["raman_anisotropic"] = response.raman(resolution=400.0).anisotropic
    for name, spectrum in expected.items():
        ours = panel.spectra[name]
        np.testing.assert_allclose(ours.intensity, spectrum.intensity, rtol=1e-6, atol=1e-9 * spectrum.intensity.max())
        np.testing.assert_allclose(ours.error_total, spectrum.error_total, rtol=1e-5)
    assert panel.spectra["infrared"].members.shape[0] == 4 and panel.spectra["infrared"].samples.shape[0] == 3
    assert Image.open(io.BytesIO(panel.model.picture)).width == 1110
    assert "Infrared" in panel.model.table and "standard error over the replicas" in panel.model.note


def test_the_centre_of_mass_rests_after_the_thermostat(panel):
    """Langevin's noise moves it, and a drift would be a peak at zero in the density of states."""
    panel.model.equilibration = 0.01
    run(panel)
    system = panel.track.system
    momenta = system.masses[:, None] * panel.track.velocities[0]
    moving = torch.zeros(3, 3, dtype=momenta.dtype).index_add(0, system.index, momenta)
    assert float(moving.abs().max()) < 1e-9 * float(momenta.abs().max())
    assert panel.model.results.state.loop_step == 240


def test_continue_follows_the_same_replicas(panel, models):
    assert panel.continue_button.disabled
    with pytest.raises(LabkitError, match="press Run first"):
        panel.go_on()
    panel.model.picoseconds = 0.06
    run(panel)
    assert panel.spectra == {} and not panel.continue_button.disabled  # 16 samples are too few to show
    panel.model.temperature = 100.0  # of the next Run
    panel.go_on()
    state = panel.job.wait(60).state
    whole = SpectraPanel(*models, **SHORT)
    torch.testing.assert_close(state.positions, run(whole).state.positions, rtol=0, atol=1e-9)
    assert len(panel.track.polarizability[0]) == len(whole.track.polarizability[0]) == 31
    assert list(panel.model.results.response.steps) == list(range(0, 241, 8))


def test_what_is_stored_is_shown_anew_at_once(panel):
    run(panel)
    job, before, picture = panel.job, panel.spectra["infrared"], panel.model.picture
    panel.model.quantum = "none"
    panel.settle()
    after = panel.spectra["infrared"]
    expected = correction(before.frequency, panel.track.temperature)
    np.testing.assert_allclose(before.intensity, after.intensity * expected, rtol=1e-9)
    assert panel.model.picture != picture and panel.job is job
    panel.model.window = "gaussian"
    panel.settle()
    found = panel.spectra["infrared"]
    expected = panel.track.infrared(window="gaussian", quantum=None, resolution=found.resolution)
    np.testing.assert_allclose(found.intensity, expected.intensity, rtol=1e-6, atol=1e-9 * found.intensity.max())
    panel.model.resolution = 20.0
    panel.settle()
    assert panel.spectra["infrared"].resolution > 100 and "20 cm⁻¹ were requested" in panel.model.note
    panel.model.resolution = 2000.0
    panel.settle()
    assert "ask for a finer one" in panel.error.value and panel.spectra["infrared"].resolution > 100
    panel.model.resolution = 400.0
    panel.settle()
    assert panel.error.value == ""


def test_deuterium_and_sticks(models):
    found = {}
    for isotope in ("H", "D"):
        panel = SpectraPanel(*models, models[1][0], hydrogen=isotope, **SHORT)
        found[isotope] = run(panel)
        shown = panel.model.shown
        frequency, heights = shown.sticks["infrared"]
        known = found[isotope].modes
        np.testing.assert_allclose(heights, known.infrared[known.frequency > 1], rtol=1e-9)
        assert len(shown.sticks["density_of_states"][0]) == len(frequency) >= 30
        assert found[isotope].fallen is None
        code = panel.model.code()
        assert ("set_masses" in code) == (isotope == "D")
    ratio = found["D"].modes.frequency[-8:] / found["H"].modes.frequency[-8:]
    np.testing.assert_allclose(ratio, np.sqrt(1.008 / 2.014), rtol=1e-5)
    assert found["D"].state.system.masses[found["D"].state.system.numbers == 1].unique().item() == 2.014
    fallen = found["H"].__class__(**{**vars(found["H"]), "lowest": 1e9})
    assert fallen.fallen == (0, 0.0) and "in a hole" in words_of(fallen, shown, 400.0)


def test_stop_keeps_what_there_is(panel):
    panel.model.picoseconds = 20.0
    panel.run()
    until(lambda: panel.spectra)
    panel.model.resolution = 2000.0  # what cannot be shown is said, and the run goes on
    until(lambda: "ask for a finer one" in panel.error.value)
    panel.model.resolution = 400.0
    until(lambda: panel.error.value == "")
    panel.stop()
    until(lambda: panel.job.status == "stopped", 5.0)
    reached = panel.job.wait(5).state.loop_step
    assert 184 <= reached < 40_000 and panel.model.status == "stopped"
    assert len(panel.track.current[0]) == reached // 8 + 1 and panel.spectra["infrared"].intensity.max() > 0
    panel.model.picoseconds = 0.004
    panel.go_on()
    assert panel.job.wait(20).state.loop_step == reached + 8


def test_shown_code_does_the_same(panel, tmp_path, monkeypatch):
    panel.model.equilibration = 0.005
    assert panel.model.files() == {} and "# what Run does" in panel.model.code()
    run(panel)
    files = panel.model.files()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    ours = {name: pd.read_csv(name, comment="#") for name in files if name.endswith(".csv")}
    for name in ours:
        (tmp_path / name).unlink()
    exec(panel.model.code(), {"potential": panel.model.potential})
    for name in ("infrared.csv", "raman_isotropic.csv", "raman_anisotropic.csv", "density_of_states.csv"):
        theirs = pd.read_csv(name, comment="#")
        top = theirs["intensity"].max()
        np.testing.assert_allclose(ours[name]["intensity"], theirs["intensity"], rtol=1e-3, atol=1e-4 * top)
    assert (tmp_path / "trajectory.extxyz").read_text().count("Lattice") == 3 * 31


def test_without_a_model_of_a_tensor_the_other_spectra_are_there(models, tmp_path, monkeypatch):
    """No polarizability: infrared and density of states; no Born charges either: density of states alone."""
    monkeypatch.chdir(tmp_path)
    springs, frames, _, charges = models
    for number, born in enumerate((charges, None)):
        panel = SpectraPanel(springs, frames, born_charges=born, minimum=frames[0], **SHORT)
        run(panel)
        shown = {"density_of_states", "density_of_states_H", "density_of_states_O"}
        shown |= {"infrared"} if born is not None else set()
        assert set(panel.spectra) == shown and panel.model.status == "done"
        assert "Raman" not in panel.model.table and ("Infrared" in panel.model.table) == (born is not None)
        assert "infrared" in panel.model.shown.sticks or born is None
        words = [text.get_text() for axes in panel.model._figure.axes.values() for text in axes.texts]
        missing = ["Born charges", "polarizability"][born is not None :]
        assert len(words) == len(missing) and all(name in text for name, text in zip(missing, words, strict=True))
        for name, content in panel.model.files().items():
            if not name.endswith(".csv"):
                (tmp_path / name).write_bytes(content)
        exec(panel.model.code(), {"potential": springs})
        assert {path.name for path in tmp_path.glob("*.csv")} == {"density_of_states.csv", "infrared.csv"}
        density = pd.read_csv("density_of_states.csv", comment="#")["intensity"]
        np.testing.assert_allclose(density, panel.spectra["density_of_states"].intensity, rtol=1e-3, atol=1e-4)
        panel.close()
        assert number or (tmp_path / "born_charges.safetensors").exists()


def test_continue_after_stop_goes_to_the_end_that_was_asked_for(panel):
    panel.model.picoseconds = 2.0
    panel.run()
    until(lambda: panel.model.results is not None and len(panel.model.results.response.steps) > 3)
    panel.stop()
    reached = panel.job.wait(20).state.loop_step
    assert 0 < reached < 4000
    panel.model.dt = 0.25  # of the next Run: the replicas keep their timestep
    panel.go_on()
    assert panel.job.wait(120).state.loop_step == 4000


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("sampling", 8.0, "samples 8 fs apart show frequencies up to 2085"),
        ("replicas", 0, "0 replicas"),
        ("temperature", -1.0, "temperature is -1 K"),
        ("picoseconds", 0.0, "length is 0 ps"),
    ],
)
def test_settings_that_make_no_sense(panel, name, value, sentence):
    setattr(panel.model, name, value)
    with pytest.raises(LabkitError, match=sentence):
        panel.run()
    assert sentence in panel.error.value and panel.job is None


def test_frames_of_one_system(models):
    springs, frames, *tensors = models
    with pytest.raises(LabkitError, match="no initial frame"):
        SpectraPanel(springs, [], *tensors)
    with pytest.raises(LabkitError, match="frame 1 has other atoms"):
        SpectraPanel(springs, [frames[0], frames[0][:6]], *tensors)
    with pytest.raises(LabkitError, match="hydrogen is 'T'"):
        SpectraModel(springs, frames, *tensors, hydrogen="T").run()
    with pytest.raises(LabkitError, match="predicts born_charges"):
        run(SpectraPanel(springs, frames, tensors[1], tensors[1], **SHORT))


def test_an_explosion_keeps_what_was_good(panel):
    run(panel)
    panel.model.dt = panel.model.sampling = 4.0
    panel.model.picoseconds = 2.0
    panel.run()
    with pytest.raises(LabkitError, match="timestep is too large"):
        panel.job.wait(60)
    assert panel.model.status == "failed" and "timestep is too large" in panel.error.value
    assert len(panel.model.picture) > 1000


def test_a_picture_of_what_is_known():
    rng = np.random.default_rng(0)
    known, found = rng.normal(size=(20, 3, 3)), rng.normal(size=(4, 5, 3, 3))
    spreads = {"near": 0.1 + rng.random((5, 3, 3)), "far": 1 + rng.random((7, 3, 3))}
    one, other = (reach_figure(known, found, spreads, errors).data for errors in ({}, {"near": 0.3}))
    assert one != other and Image.open(io.BytesIO(one)).width == 1290


def test_a_peak_shows_its_mode(models) -> None:
    panel = SpectraPanel(*models, models[1][0], **SHORT)
    run(panel)
    model, motions = panel.model, panel.model.results.motions
    frequency = motions.frequency
    axes = next(k for k, each in enumerate(model.plotted.axes) if each.name == "Infrared")
    at = model.plotted.pointer(axes, float(frequency[-1]) + 5.0, 0.0)
    mode = model.mode_at(at)
    near = np.abs(frequency - at.x) < 40
    assert near[mode] and model.results.modes.infrared[mode] == pytest.approx(
        model.results.modes.infrared[near].max(), rel=0.2
    )
    assert model.hover(at)[1] == f"see the mode at {frequency[mode]:.0f} cm⁻¹"
    model.press(at)
    view = panel.children[0].children[3].children[1].children[-1]
    structure = view.structure.model
    assert structure.count == 16 and view.structure.play.playing
    moves = np.array([atoms.positions for atoms in structure.atoms]) - motions.state.positions.numpy()
    direction = motions.displacements[mode].ravel()
    along = moves[4].ravel() @ direction / np.linalg.norm(direction)
    assert along == pytest.approx(np.linalg.norm(moves[4])) and np.abs(moves[0]).max() < 1e-12
    assert np.linalg.norm(moves[4], axis=1).max() == pytest.approx(0.25)
    np.testing.assert_allclose(moves[4], -moves[12], atol=1e-12)
    other = model.plotted.pointer(axes, float(frequency[0]), 0.0)
    model.press(other)
    assert model.mode != mode and structure.count == 16 and f"{frequency[model.mode]:.0f} cm" in view.words.value
    run(panel)
    assert model.mode is None and view.children == ()
    panel.close()


def test_without_a_minimum_a_peak_offers_nothing(panel) -> None:
    run(panel)
    at = panel.model.plotted.pointer(0, 3000.0, 0.0)
    assert panel.model.mode_at(at) is None and panel.model.action(at) == ""
    panel.model.press(at)
