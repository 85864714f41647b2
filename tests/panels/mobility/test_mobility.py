"""The Mobility panel without a screen: estimates while pairs come in, the lag at once, what is learned, its files."""

import io
import json
import time

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from labkit.base import Progress
from labkit.errors import LabkitError
from labkit.files import read_tensors
from labkit.mobility import (
    Passive,
    RotnePragerYamakawa,
    by_distance,
    load_mobility,
    pair_active,
    repeated_releases,
    train,
)
from labkit.mobility.tweezers import of_pair
from labkit.panels import MobilityPanel
from labkit.panels.mobility.model import MobilityModel
from labkit.units import MILLIPASCAL_SECOND

RADIUS = 10.0
FLUID = RotnePragerYamakawa(RADIUS, 0.85 * MILLIPASCAL_SECOND)


@pytest.fixture
def panel():
    panel = MobilityPanel(FLUID, RADIUS)
    panel.model.releases, panel.model.learn = 1000, False
    yield panel
    panel.model.settle()
    panel.close()


def run(panel, **settings):
    for name, value in settings.items():
        setattr(panel.model, name, value)
    panel.run()
    return panel.job.wait(30)


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_what_is_shown_is_what_the_estimators_say(panel):
    run(panel, way="active: pushed", lag=160)
    found, csv = pair_active(panel.data), pd.read_csv(io.BytesIO(panel.model.files()["mobility.csv"]))
    assert f"{1e4 * 300 * 8.617333e-5 * float(found.value[0]):.4f}" in panel.model.table
    bins = by_distance(panel.data, panel.model.results.edges)
    np.testing.assert_allclose(csv["along"], [float(e.value[1]) for _, e in bins])
    np.testing.assert_allclose(csv["across_error"], [float(e.error[2]) for _, e in bins])
    truth = of_pair(FLUID, torch.tensor(csv["distance_A"].to_numpy()))[:, 1].numpy()
    assert (abs(csv["along"] - truth) < 4 * csv["along_error"]).all()
    assert Image.open(io.BytesIO(panel.model.picture)).size == (960, 840)
    assert "at half this lag" in panel.model.note and panel.model.status == "done"


def test_the_lag_and_the_truth_answer_without_a_run(panel):
    run(panel, lag=320)
    before, data, job = panel.model.picture, panel.data, panel.job
    panel.model.lag = 20
    panel.model.settle()
    shorter = panel.model.picture
    panel.model.theory = True
    panel.model.settle()
    assert isinstance(panel.data, Passive) and panel.data.lag == 20e3 and data.lag == 320e3
    assert panel.job is job and len({before, shorter, panel.model.picture}) == 3


def test_error_bars_shrink_as_pairs_come_in_and_stop_keeps_them(panel):
    seen = []
    panel.model.observe(lambda change: seen.append(change["new"].sightings.pairs), "results")
    panel.model.releases = 50_000
    panel.run()
    until(lambda: len(seen) > 2)
    panel.stop()
    assert panel.model.status == "stopping"
    panel.job.wait(10)
    assert panel.model.status == "stopped" and seen == sorted(seen) and 1000 <= seen[0] < seen[-1] < 50_000
    assert not panel.continue_button.disabled
    pairs = panel.model.results.sightings.pairs
    panel.model.releases = 1000
    panel.go_on()
    assert panel.job.wait(30).sightings.pairs == pairs + 1000


def test_going_on_is_as_running_longer(panel):
    whole = run(panel, releases=2000).sightings
    run(panel, releases=1000)
    panel.go_on()
    again = panel.job.wait(30).sightings
    assert torch.equal(whole.moved, again.moved)
    panel.model.way = "active: pushed"
    with pytest.raises(LabkitError, match="experiment have changed"):
        panel.go_on()
    assert "experiment have changed" in panel.model.message and "experiment have changed" in panel.error.value


def test_continue_after_stop_releases_the_pairs_that_are_left(panel):
    panel.model.releases = 15_000
    panel.run()
    until(lambda: panel.model.results is not None)
    panel.stop()
    assert panel.job.wait(10).sightings.pairs < 15_000
    panel.go_on()
    assert panel.job.wait(60).sightings.pairs == 15_000


def test_a_model_is_learned_and_taken_home(panel, tmp_path):
    run(panel, way="active: pushed", lag=160, releases=2000, learn=True, theory=True)
    assert "The learned model is wrong by at most" in panel.model.note
    (tmp_path / "m.safetensors").write_bytes(panel.model.files()["mobility.safetensors"])
    r = torch.linspace(25.0, 90.0, 20, dtype=torch.float64)
    found, truth = of_pair(load_mobility(tmp_path / "m.safetensors"), r), of_pair(FLUID, r)
    assert torch.equal(found, of_pair(panel.learned, r))
    assert float((found - truth).abs().max()) < 0.1 * float(truth[0, 0])


def test_shown_code_does_the_same(panel, tmp_path, monkeypatch, capsys):
    run(panel, way="active: pushed", lag=160, learn=True)
    monkeypatch.chdir(tmp_path)
    space = {}
    exec(panel.model.code().replace("steps=4", "steps=1"), space)
    torch.testing.assert_close(space["data"].velocities, panel.data.velocities, rtol=1e-4, atol=1e-9)
    assert (tmp_path / "mobility.safetensors").stat().st_size > 500 and len(capsys.readouterr().out) > 100


def stop_while_it_learns(panel, monkeypatch, after):
    """The panel's job is stopped after this many steps of training."""

    def training(*arguments, progress, **options):
        class Stopping(Progress):
            def update(self, step, total, **metrics):
                progress.update(step, total, **metrics)
                if step == after:
                    panel.stop()

            def should_stop(self):
                return progress.should_stop()

        return train(*arguments, progress=Stopping(), **options)

    monkeypatch.setattr(repeated_releases, "train", training)


def test_the_script_of_a_training_that_was_stopped_stops_there_too(panel, tmp_path, monkeypatch):
    stop_while_it_learns(panel, monkeypatch, after=2)
    run(panel, way="active: pushed", lag=160, learn=True)
    assert panel.model.status == "stopped" and panel.model.results.learned_steps == 2
    assert "steps=2)  # stopped after 2 of 4 steps" in panel.model.code()
    same_model(panel, tmp_path, monkeypatch)


def test_the_script_learns_what_the_shown_model_has_learned(panel, tmp_path, monkeypatch):
    """Nothing without a model; and the first pairs alone if Continue was stopped before it could learn again."""
    run(panel, way="active: pushed", lag=160)
    assert "train(" not in panel.model.code() and panel.learned is None
    run(panel, learn=True)
    panel.model.releases = 50_000
    panel.go_on()
    until(lambda: panel.model.results.sightings.pairs > 1000)
    panel.stop()
    panel.job.wait(10)
    assert 1000 < panel.model.results.sightings.pairs < 50_000
    (tmp_path / "m.safetensors").write_bytes(panel.model.files()["mobility.safetensors"])
    header, _ = read_tensors(tmp_path / "m.safetensors", "labkit mobility 1", "learned mobility", "cpu")
    about = json.loads(header["metadata"])
    assert (about["pairs"], about["steps"]) == (1000, 4)
    same_model(panel, tmp_path, monkeypatch)


def same_model(panel, folder, monkeypatch):
    monkeypatch.setattr(repeated_releases, "train", train)
    monkeypatch.chdir(folder)
    space = {}
    exec(panel.model.code(), space)
    shown = panel.learned.state_dict()
    for name, found in space["model"].state_dict().items():
        torch.testing.assert_close(found, shown[name], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("releases", 0, "pairs let go: 0"),
        ("lag", 33, "lag is 33 ps; expected one of 20, 40"),
        ("way", "both", "way is 'both'"),
        ("nearest", -1.0, "distances from -10 to 100"),
        ("blur", -0.1, "blur is -0.1 Å"),
    ],
)
def test_settings_that_make_no_sense(name, value, sentence):
    panel = MobilityPanel(FLUID, RADIUS)
    with pytest.raises(LabkitError, match="press Run first"):
        panel.go_on()
    model = MobilityModel(FLUID, RADIUS)  # a list of choices refuses by itself what is not in it
    panel.model = model if name in ("lag", "way") else panel.model
    setattr(panel.model, name, value)
    with pytest.raises(LabkitError, match=sentence):
        panel.run()
    assert sentence in panel.model.message
    if panel.model is not model:
        assert "labkit-error" in panel.error.value
    model.way, model.force = "active: pushed", 0.0
    with pytest.raises(LabkitError, match="force is 0 pN"):
        model.tweezers()
