"""The LearningCurve panel without a screen: guessed, drawn, stopped, gone on with, told."""

import io
import re
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import labkit
from labkit.errors import LabkitError
from labkit.gap import GapConfig, Soap, errors, learning
from labkit.gap.learning import LearningCurve
from labkit.neural import NeuralConfig, Training, untrained
from labkit.neural import train as neural_train
from labkit.panels import LearningCurvePanel
from labkit.panels.kit.controls import parameters
from labkit.panels.learning.summary import change
from labkit.runs import runs

SMALL = GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=25), sigma_force=0.05, sigma_virial=None)


@pytest.fixture(scope="module")
def sets():
    return labkit.datasets.ice("train", n=50)[:40], labkit.datasets.ice("valid")[:8]


@pytest.fixture
def panel(sets, tmp_path):
    return LearningCurvePanel(*sets, SMALL, sizes=[5, 10, 20, 40], checkpoint=tmp_path / "curve")


def test_guess_first_then_the_truth_beside_it(panel, sets) -> None:
    model = panel.model
    assert not model.locked
    model.guess_forces, model.guess_energy = 30.0, 4.0
    panel.run()
    curve = panel.job.wait(60)
    assert model.locked and model.results is curve
    expected = LearningCurve.build(sets[0], SMALL, sets[1], sizes=[5, 10, 20, 40], repeats=3)
    assert curve.to_csv() == expected.to_csv()
    truth = curve.summary().loc[("valid", "forces", 40), "rmse"]
    ratio = max(30 / truth, truth / 30)
    assert f"you expected 30 meV/Å at 40 frames; it is {truth:.3g}" in model.note
    verdict = "very near" if ratio < 1.15 else f"{ratio:.1f} times"
    assert verdict in model.note.split("you expected 30 meV/Å")[1]
    with_guess = np.asarray(Image.open(io.BytesIO(model.picture)))
    model.n_max = 2
    assert not model.locked
    model.guess_forces = model.guess_energy = 0.0
    model.n_max = 3
    model.present(curve)
    assert "you expected" not in model.note
    assert (np.asarray(Image.open(io.BytesIO(model.picture))) != with_guess).any()


def test_words_of_more_data_are_those_of_the_law(panel) -> None:
    panel.run()
    curve = panel.job.wait(60)
    value, factor = curve.law("valid", "forces").at(80)
    assert f"forces {value:.3g} ({value / factor:.3g} to {value * factor:.3g}) meV/Å" in panel.model.note
    assert "Twice the frames, 80" in panel.note.value


@given(st.floats(0.01, 5.0))
def test_what_more_data_change_has_no_sign_and_no_zero(ratio) -> None:
    """A flat curve said "-0% less"."""
    words = change(ratio)
    assert not re.search(r"-|\b0 %", words)
    if "%" in words:
        percent, _, more = words.split()
        assert (ratio > 1) == (more == "more") and abs(100 * abs(ratio - 1) - float(percent)) <= 0.5
    else:
        assert abs(ratio - 1) < 0.0051


def test_stop_keeps_what_there_is_and_run_goes_on(panel, sets, monkeypatch) -> None:
    model = panel.model
    model.repeats = 10
    fit, asked = learning.one_fit, threading.Event()

    def slow_fit(*arguments):
        asked.wait(0.5)  # each fit, until the stop: whenever the first result is shown, some are still to come
        return fit(*arguments)

    def stop(change) -> None:
        if change["new"] is not None:
            panel.stop()
            asked.set()

    monkeypatch.setattr(learning, "one_fit", slow_fit)
    model.observe(stop, "results")
    panel.run()
    partial = panel.job.wait(60)
    model.unobserve_all("results")
    fits = len(partial.table[["size", "repeat"]].drop_duplicates())
    assert 0 < fits < 31 and model.status == "stopped"
    panel.run()
    whole = panel.job.wait(60)
    assert len(whole.seconds) == 31 - fits
    assert whole.to_csv() == LearningCurve.build(sets[0], SMALL, sets[1], sizes=[5, 10, 20, 40], repeats=10).to_csv()


def test_every_fit_is_a_row_of_the_tray_once(panel) -> None:
    before = len(runs().all())
    panel.run()
    panel.job.wait(60)
    new = runs().all()[before:]
    assert sorted(run.frames for run in new) == [5] * 3 + [10] * 3 + [20] * 3 + [40]
    panel.run()  # read, not fitted
    panel.job.wait(60)
    assert len(runs().all()) == before + 10


def test_the_cache_takes_the_place_of_a_checkpoint(sets) -> None:
    for made in (range(1, 7), range(0, 1)):
        panel = LearningCurvePanel(*sets, SMALL, sizes=[6, 12])
        panel.run()
        assert len(panel.job.wait(60).seconds) in made


def test_script_and_files(panel, sets, tmp_path, monkeypatch) -> None:
    panel.run()
    curve = panel.job.wait(60)
    files = panel.model.files()
    assert files["learning_curve.csv"].decode() == curve.to_csv() and set(files) == {
        "learning_curve.csv", "learning_curve.png", "gap_config.cfg"
    }  # fmt: skip
    assert "sizes=[5, 10, 20, 40], repeats=3" in panel.model.code()
    monkeypatch.chdir(tmp_path)
    exec(panel.model.code(), dict(zip(("train", "valid"), sets, strict=True)))
    assert (tmp_path / "learning_curve.csv").read_text() == curve.to_csv()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("sizes", "", "no sizes given"),
        ("sizes", "5, ten", "expected whole numbers"),
        ("sizes", "0, 5", "size 0: expected 1 to 40"),
        ("sizes", "5 50", "size 50: expected 1 to 40"),
        ("repeats", 0, "repeats is 0"),
        ("sigma_energy", 0.0, "sigma_energy is 0.0"),
    ],
)
def test_nonsense_is_told_before_anything_runs(panel, name: str, value: object, sentence: str) -> None:
    panel.model.set_trait(name, value)
    with pytest.raises(LabkitError, match=sentence):
        panel.run()
    assert sentence in panel.error.value and panel.job is None and not panel.model.locked


def test_few_frames_no_validation_and_overlap(sets) -> None:
    with pytest.raises(LabkitError, match="empty"):
        LearningCurvePanel(sets[0][:0])
    one = LearningCurvePanel(sets[0][:1], sets[1], SMALL)
    one.run()
    assert one.job.wait(30).table["size"].unique().tolist() == [1] and "n_sparse" in one.model.note
    alone = LearningCurvePanel(sets[0][:12], None, SMALL)
    alone.run()
    alone.job.wait(30)
    assert "validation" not in alone.table.value
    both = LearningCurvePanel(sets[0], sets[0][:2], SMALL, sizes=[5])
    both.run()
    both.job.wait(30)
    assert "2 of 2 validation frames are also training frames" in both.model.note


def test_a_dot_gives_its_model(panel, sets) -> None:
    panel.run()
    curve = panel.job.wait(60)
    model = panel.model
    assert panel.chosen is None
    series = next(s for s in model.plotted.series if s.name == "validation")
    k = series.x.tolist().index(20)
    at = model.plotted.pointer(series.axes, series.x[k], series.y[k])
    assert model.hover(at)[1] == "its model, the first fit of 20 frames"
    model.press(at)
    panel.settle()
    assert panel.chosen.metadata and model.chosen.fit.n_frames == 20
    rows = curve.table[(curve.table["size"] == 20) & (curve.table["repeat"] == 0)].set_index(["set", "quantity"])
    found = model.chosen.fit.errors
    np.testing.assert_allclose(found["rmse"], rows["rmse"].reindex(found.index), rtol=1e-9)
    assert "gap_20.safetensors" in model.files() and Image.open(io.BytesIO(model.chosen.picture)).width == 1050
    dots = next(s for s in model.chosen.plotted.series if s.name == "valid")
    model.chosen.press(model.chosen.plotted.pointer(dots.axes, dots.x[3], dots.y[3]))
    assert model.chosen.compared.point.which == "valid"
    panel.run()
    assert panel.chosen is None and model.chosen.compared is None  # of the last curve
    panel.job.wait(60)


def test_a_neural_potential_has_its_curve_too(tmp_path, monkeypatch):
    """Stopped, resumed and by its script it has the same table; its dots are no models."""
    monkeypatch.setattr("labkit.panels.learning.model.run_config", lambda: SimpleNamespace(cache=tmp_path / "cache"))
    train, valid = labkit.datasets.ice("train", n=50), labkit.datasets.ice("valid", n=4)
    small, training = (
        NeuralConfig(channels=8, cutoff=3.0, n_radial=6),
        Training(steps=100, batch=4),
    )  # long enough to be stopped
    panel = LearningCurvePanel(train[:16], valid, small, training=training, sizes=[4, 8, 16])
    model = panel.model
    assert model.config() == small and model.training() == training and model.visible_groups()[-1] == "settings"
    assert {"channels", "rate"} <= set(parameters(model)) and "n_sparse" not in parameters(model)
    model.repeats = 2
    model.observe(lambda change: panel.stop() if len(change.new.seconds) == 2 else None, "results")
    panel.run()
    panel.job.wait(60)
    assert model.status == "stopped" and "only=[(4, 0), (4, 1)]" in model.code()
    model.unobserve_all("results")
    panel.run()
    curve = panel.job.wait(60)
    summary = curve.summary()
    assert summary.loc[("valid", "forces"), "fits"].tolist() == [2, 2, 1] and curve.settings == small
    potential = untrained(train[:8], small)
    neural_train(potential, train[:8], valid, training)
    first = curve.table[(curve.table["size"] == 8) & (curve.table["repeat"] == 0)].set_index(["set", "quantity"])
    expected = errors(potential, valid)["rmse"]["frames", "forces"]
    assert first.loc[("valid", "forces"), "rmse"] == pytest.approx(expected, rel=1e-9)
    monkeypatch.chdir(tmp_path)
    exec(model.code(), names := {})
    assert names["curve"].to_csv() == curve.to_csv()
    assert set(model.files()) == {"learning_curve.csv", "learning_curve.png", "neural_config.json"}
