"""The Neural panel without a screen, on shipped frames."""

import time

import numpy as np
import pytest
import torch

import labkit
from labkit.errors import LabkitError
from labkit.gap import errors
from labkit.neural import NeuralConfig, NeuralPotential, Training, Weights
from labkit.panels import NeuralPanel

SMALL = NeuralConfig(channels=8, cutoff=3.0, n_radial=6)


@pytest.fixture(scope="module")
def sets():
    return labkit.datasets.ice("train", n=50), labkit.datasets.ice("valid", n=10)


@pytest.fixture(scope="module")
def trained(sets):
    panel = NeuralPanel(*sets, SMALL, Training(steps=60, batch=4))
    pictures = []
    panel.model.observe(lambda change: pictures.append(change.new), "picture")
    panel.run()
    panel.job.wait(60)
    return panel, pictures


def same_weights(one, other):
    one, other = one.state_dict(), other.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def run_shown(panel, folder, monkeypatch):
    """What the shown script gives."""
    monkeypatch.chdir(folder)
    for name, content in panel.model.files().items():
        (folder / name).write_bytes(content)
    names = {}
    exec(panel.model.code(), names)
    return names["potential"]


def test_table_and_pictures(sets, trained):
    panel, pictures = trained
    found = panel.model.results
    expected = errors(found.potential, sets[1])["rmse"]
    assert f"{expected['frames', 'forces']:.3g}" in panel.table.value and "RMSE after 60 steps" in panel.table.value
    assert len(pictures) >= 2 and panel.model.status == "done"
    names = [axes.name for axes in panel.model.plotted.axes]
    assert names == ["energy", "forces", "loss", "rate", "energy RMSE", "forces RMSE"]
    assert "60 steps" in panel.note.value


def test_the_first_curves_come_within_five_seconds(sets):
    panel = NeuralPanel(*sets, SMALL, Training(budget=60.0))
    seen = []
    panel.model.observe(lambda change: seen.append(time.monotonic()) if change.new.predictions else None, "results")
    begun = time.monotonic()
    panel.run()
    while not seen and time.monotonic() - begun < 20:
        time.sleep(0.05)
    panel.stop()
    panel.job.wait(60)
    assert seen[0] - begun < 5 and panel.model.status == "stopped" and panel.model.picture


@pytest.mark.parametrize("moment", ["done", "stopped", "cooled", "continued", "trained on"])
def test_what_is_shown_is_what_its_script_gives(sets, moment, tmp_path, monkeypatch):
    steps = 60 if moment in ("done", "trained on") else 400  # enough to be stopped on the way
    panel = NeuralPanel(*sets, SMALL, Training(steps=steps, batch=4))
    model = panel.model
    if moment in ("stopped", "continued"):
        model.observe(lambda change: panel.stop() if change.new.steps >= 30 else None, "results")
    if moment == "cooled":
        model.observe(lambda change: model.cool_down(), "results")
    panel.run()
    panel.job.wait(60)
    if moment == "continued":
        model.unobserve_all("results")
        assert model.status == "stopped" and model.results.steps < steps
        panel.go_on()
        assert panel.job.wait(60).steps == steps
    if moment == "trained on":
        model.steps, model.rate = 25, 1e-3
        panel.go_on()
        assert panel.job.wait(60).steps == 85
    code = model.code()
    assert code.count("train(") == (2 if moment == "trained on" else 1) and "budget" not in code
    potential = run_shown(panel, tmp_path, monkeypatch)
    same_weights(potential, model.results.potential)
    same_weights(NeuralPotential.load(tmp_path / "neural.safetensors"), potential)
    again = errors(potential, sets[1])["rmse"]["frames", "forces"]
    assert f"{again:.3g}" in model.table


def test_downloads(trained, tmp_path):
    panel, _ = trained
    files = panel.model.files()
    (tmp_path / "neural.safetensors").write_bytes(files["neural.safetensors"])
    same_weights(NeuralPotential.load(tmp_path / "neural.safetensors"), panel.model.results.potential)
    rows = files["training.csv"].decode().splitlines()
    assert rows[0] == "step,loss,rate" and len(rows) == 61
    assert float(rows[1].split(",")[1]) == panel.model.results.losses[0]


def test_every_setting_reaches_network_and_training(sets):
    config = NeuralConfig("schnet", 4.0, 24, 2, 11, False, seed=7)
    training = Training(12.0, None, 5, 0.002, Weights(3.0, 2.0, 0.5), 0.9)
    model = NeuralPanel(*sets, config, training).model
    assert model.config() == config and model.training() == training
    model.steps, model.energy_weight = 30, 7.0
    assert model.training().steps == 30 and model.training().weights == Weights(7.0, 2.0, 0.5)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("frames", 51, "training frames is 51, expected 1 to 50"),
        ("rate", -1.0, "rate is -1"),
        ("channels", 0, "channels is 0"),
        ("force_weight", -2.0, "force weight is -2, expected 0 or more"),
    ],
)
def test_settings_that_make_no_sense(sets, name, value, sentence):
    panel = NeuralPanel(*sets, SMALL)
    setattr(panel.model, name, value)
    with pytest.raises(LabkitError, match=sentence):
        panel.run()
    assert panel.model.message and panel.job is None


def test_an_empty_set_is_refused(sets):
    with pytest.raises(LabkitError, match="training set is empty"):
        NeuralPanel(sets[0][:0])


def test_another_network_cannot_go_on(sets):
    panel = NeuralPanel(*sets, SMALL, Training(steps=25))
    panel.run()
    panel.job.wait(60)
    panel.model.channels = 16
    with pytest.raises(LabkitError, match="have changed; press Run"):
        panel.go_on()


def test_a_rate_that_is_too_high_is_said(sets):
    panel = NeuralPanel(*sets, SMALL.replace(channels=16), Training(steps=200, batch=4, rate=1.0))
    panel.run()
    panel.job.wait(60)
    assert "the learning rate of 1 is too high" in panel.note.value
    good = NeuralPanel(*sets, SMALL.replace(channels=16), Training(steps=200, batch=4))
    good.run()
    good.job.wait(60)
    assert "too high" not in good.note.value


def test_a_loss_that_is_not_finite_is_a_sentence_and_a_curve(sets):
    training = Training(steps=30, weights=Weights(energy=1e44))  # beyond single precision
    panel = NeuralPanel(sets[0][:8], None, SMALL, training)
    panel.run()
    with pytest.raises(LabkitError, match="the loss is not finite at step 0"):
        panel.job.wait(60)
    assert panel.model.status == "failed" and "the loss is not finite" in panel.error.value
    assert "the learning rate of" in panel.note.value and panel.model.picture


def test_a_click_shows_the_frame_with_both_forces(sets, trained):
    model = trained[0].model
    axes = next(k for k, each in enumerate(model.plotted.axes) if each.name == "forces")
    series = next(s for s in model.plotted.series if s.axes == axes and s.name == "valid")
    model.press(model.plotted.pointer(axes, series.x[40], series.y[40]))
    shown = model.compared
    frame = shown.point.frame
    np.testing.assert_array_equal(shown.forces[0], sets[1].labels(frame)["forces"])
    expected = model.results.potential.evaluate(sets[1].state([frame])).forces.numpy()
    np.testing.assert_allclose(shown.forces[1], expected, atol=1e-5)


def test_a_run_is_in_the_tray(sets, monkeypatch):
    from labkit.panels.neural import model as module

    kept = []
    monkeypatch.setattr(module, "runs", lambda: type("Store", (), {"add": lambda self, *run: kept.append(run)})())
    panel = NeuralPanel(sets[0][:8], None, SMALL, Training(steps=25))
    panel.run().wait(60)
    panel.model._update(panel.job)
    ((record, model),) = kept
    assert record.settings == SMALL and record.frames == 8 and model is panel.model.results.potential
    assert type(record).from_json(record.to_json(), "key").settings == SMALL


def test_the_button_that_cools_down(sets):
    panel = NeuralPanel(*sets, SMALL, Training(steps=400, batch=4))
    assert panel.cool_button.disabled
    panel.run()
    while panel.model.results is None or panel.model.results.steps < 30:
        time.sleep(0.02)
    assert not panel.cool_button.disabled
    panel.cool_button.click()
    assert panel.cool_button.disabled
    found = panel.job.wait(60)
    assert found.steps < 300 and panel.model.status == "done" and found.rates[-1] < 0.1 * found.rates.max()
