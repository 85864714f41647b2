"""The Train panel without a screen, on shipped frames."""

import io
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import labkit
from labkit.errors import LabkitError
from labkit.gap import Design, Distance2b, GapConfig, GapModel, Soap
from labkit.panels import TrainPanel

SMALL = GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=20), sigma_force=0.05)


@pytest.fixture(scope="module")
def sets():
    return labkit.datasets.ice("train", n=50), labkit.datasets.ice("valid")[:20]


@pytest.fixture(scope="module")
def trained(sets):
    panel = TrainPanel(*sets, SMALL)
    pictures = []
    panel.model.observe(lambda change: pictures.append(change.new), "picture")
    panel.run()
    panel.job.wait(60)
    return panel, pictures


def test_the_fit_is_the_design_s_own(sets, trained):
    fit = trained[0].model.results
    design = Design.build(sets[0], SMALL, valid=sets[1])
    model = design.solve()
    assert fit.n_frames == 50
    same_errors(fit.errors, design.errors(model))


def same_errors(one, other):
    """Fits on the way fold the rows in at other places: the last digits differ."""
    assert list(one.index) == list(other.index) and list(one["count"]) == list(other["count"])
    np.testing.assert_allclose(one["rmse"], other["rmse"], rtol=1e-6)


def heads_of(panel):
    return [re.sub("<.*?>", "", head) for head in re.findall("<th>(.*?)</th>", panel.table.value)]


def test_the_table_has_columns_for_what_there_is(sets, trained):
    heads = heads_of(trained[0])
    assert heads == ["RMSE after 50 frames", "energy [meV/atom]", "forces [meV/Å]", "stress [GPa]"]
    train, valid = (replace(frames[:5], stress=np.full_like(frames[:5].stress, np.nan)) for frames in sets)
    panel = TrainPanel(train, valid, SMALL)
    panel.run()
    panel.job.wait(60)
    assert heads_of(panel) == ["RMSE after 5 frames", *heads[1:3]]
    cells = re.findall("<td>(.*?)</td>", panel.table.value)
    assert len(cells) == 6 and all(cells)


def test_errors_are_those_of_the_predictions(trained):
    fit = trained[0].model.results
    for name in ("train", "valid"):
        found = fit.predictions[name]
        wrong = 1000 * (found["energy"] - found["energy_true"]) / found["counts"]
        assert np.sqrt(np.mean(wrong**2)) == pytest.approx(fit.errors.loc[(name, "energy"), "rmse"], rel=1e-12)
    assert f"{fit.errors.loc[('valid', 'forces'), 'rmse']:.3g}" in trained[0].table.value


def test_frames_stream_in(trained):
    panel, pictures = trained
    frames = [n for n, _ in panel.model.results.curve]
    assert len(frames) > 4 and frames == sorted(set(frames)) and frames[-1] == 50
    sizes = {Image.open(io.BytesIO(png)).size for png in pictures}
    assert len(sizes) == 1 and len(pictures) >= 1


def test_a_fit_at_the_end_of_a_cell_is_its_picture(trained):
    fit = trained[0].model.results
    picture = fit.picture()
    assert picture.width == 700 and repr(fit) == "Fit of 50 frames"
    assert "Energy" in picture.alt or "energy" in picture.alt
    assert Image.open(io.BytesIO(picture.data)).size == Image.open(io.BytesIO(trained[0].model.picture)).size


def test_picture_shows_both_sets(trained):
    pixels = np.asarray(Image.open(io.BytesIO(trained[0].model.picture)).convert("RGB")).reshape(-1, 3).astype(int)
    blue = (pixels[:, 2] > pixels[:, 0] + 60).sum()
    orange = (pixels[:, 0] > pixels[:, 2] + 60).sum()
    assert blue > 500 and orange > 500


def test_shown_code_does_the_same(sets, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    panel = TrainPanel(sets[0], labkit.datasets.ice("valid", n=10), SMALL)
    panel.model.frames = 10
    panel.run()
    fit = panel.job.wait(60)
    names = {}
    exec(panel.model.code(), names)
    same_errors(names["design"].errors(names["model"]), fit.errors)
    assert "meV/atom" in capsys.readouterr().out
    assert GapModel.load("gap.safetensors").config == fit.model.config


def test_code_for_own_frames_says_where_they_come_from(sets):
    panel = TrainPanel(sets[1][3:9], None, SMALL)
    panel.model.frames = 5
    code = panel.model.code()
    assert 'train = labkit.datasets.ice("valid")[:20][3:9][:5]\n' in code and "valid=" not in code
    changed = TrainPanel(replace(sets[1][3:9], energy=sets[1][3:9].energy + 1), None, SMALL)
    changed.model.frames = 5
    assert 'train = labkit.load("train.extxyz")[:5]  # under Download' in changed.model.code()


def test_what_is_shown_is_what_its_script_gives(sets, tmp_path, monkeypatch):
    """Own data, split here, stopped on the way, and a slider moved since: every number of the table comes again."""
    monkeypatch.chdir(tmp_path)
    sets[0].write("methanol.xyz")
    own = labkit.load("methanol.xyz", energy_key="energy", forces_key="forces", stress_key=False)
    panel = TrainPanel(own, config=GapConfig(Soap(cutoff=3.0, n_max=5, l_max=4, n_sparse=40), sigma_virial=None))
    panel.model.split, panel.model.part = "trajectory", 0.25
    compute = Design._compute
    monkeypatch.setattr(Design, "_compute", lambda *block: (time.sleep(0.1), compute(*block))[1])  # time to stop
    panel.model.observe(lambda change: panel.stop() if "valid" in change["new"].errors.index else None, "results")
    panel.run()
    fit = panel.job.wait(60)
    monkeypatch.setattr(Design, "_compute", compute)
    assert panel.model.status == "stopped" and 0 < fit.n_frames < panel.model.frames < 50
    panel.model.cutoff, panel.model.frames, panel.model.split = 4.0, 7, "blocks"
    assert "settings changed" in panel.state.value and "split off trajectory (now blocks)" in panel.model.changed
    code, names = panel.model.code(), {}
    assert 'split(valid=0.25, by="trajectory", seed=0)' in code and f"# stopped after {fit.n_frames} of" in code
    for name, content in panel.model.files().items():
        (tmp_path / name).write_bytes(content)
    exec(code, names)
    same_errors(names["design"].errors(names["model"]), fit.errors)
    assert f"{fit.errors.loc[('valid', 'forces'), 'rmse']:.3g}" in panel.table.value


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("none", "All these frames were learned"),
        ("trajectory", "No trajectory is in both sets"),
        ("random", "come right before or after a training frame"),
    ],
)
def test_without_validation_frames_a_split_is_offered_and_what_leaks_is_said(sets, way, words):
    panel = TrainPanel(sets[0][:20], config=SMALL)
    assert panel.model.visible_groups()[:2] == ["basic", "validation"]
    assert "validation" not in TrainPanel(*sets, SMALL).model.visible_groups()
    panel.model.split = way
    frames = panel.model.frames
    assert frames == 20 if way == "none" else frames < 20
    panel.run()
    fit = panel.job.wait(60)
    assert words in panel.note.value and fit.n_frames == frames
    assert (("valid", "forces") in fit.errors.index) == ("validation" in panel.table.value) == (way != "none")


def test_downloads_are_read_again(trained, tmp_path):
    panel, _ = trained
    for name, content in panel.model.files().items():
        (tmp_path / name).write_bytes(content)
    assert (GapModel.load(tmp_path / "gap.safetensors").weights == panel.model.results.model.weights).all()
    config = GapConfig.read(tmp_path / "gap_config.cfg")
    assert config.descriptors[0].n_max == 3 and config.sigma_force == 0.05


def test_every_setting_reaches_the_config(sets):
    config = GapConfig(
        (
            Soap(3.5, 0.4, 5, 4, 0.4, 2.0, 0.7, 33, "fps", 0.5),
            Distance2b(cutoff=3.2, delta=2.0, theta_uniform=0.8, n_sparse=11),
        ),
        sigma_energy=0.002,
        sigma_force=0.07,
        sigma_virial=0.03,
        e0={"H": -13.5, "O": -430.25},
        sparse_jitter=1e-8,
        seed=5,
    )
    assert TrainPanel(*sets, config).model.config() == config
    plain = GapConfig(Soap(n_max=2), sigma_force=None, sigma_virial=None, e0_method="isolated")
    assert TrainPanel(*sets, plain).model.config() == plain


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("zeta", -1.0, "zeta is -1.0, expected a number above 0"),
        ("sigma_energy", 0.0, "sigma_energy is 0.0"),
        ("e0", "H:3", "expected energies in eV by symbol"),
        ("frames", 51, "training frames is 51, expected 1 to 50"),
        ("cutoff", 0.0, "cutoff is 0.0"),
    ],
)
def test_settings_that_make_no_sense(sets, name, value, sentence):
    panel = TrainPanel(*sets, SMALL)
    setattr(panel.model, name, value)
    with pytest.raises(LabkitError, match=sentence):
        panel.run()
    assert panel.model.message and panel.job is None


def test_configs_the_panel_cannot_show(sets):
    with pytest.raises(LabkitError, match="one soap and at most one distance_2b, but the config has distance_2b"):
        TrainPanel(*sets, GapConfig(Distance2b()))
    with pytest.raises(LabkitError, match="training set is empty"):
        TrainPanel(sets[0][:0])


def test_failure_inside_the_fit_is_shown(sets):
    panel = TrainPanel(*sets, SMALL.replace(e0={"H": -13.0}))
    panel.run()
    with pytest.raises(LabkitError, match="e0 has no value for O"):
        panel.job.wait(30)
    assert "e0 has no value for O" in panel.error.value


def test_stop_keeps_the_fit_so_far_and_run_goes_on_from_the_checkpoint(sets, tmp_path):
    heavy = GapConfig(Soap(cutoff=3.0, n_max=6, l_max=5, n_sparse=60))
    panel = TrainPanel(*sets, heavy, checkpoint=tmp_path / "rows")
    panel.model.observe(lambda _: panel.stop(), "results")
    panel.run()
    part = panel.job.wait(60)
    assert panel.model.status == "stopped" and 0 < part.n_frames < 50
    assert np.isnan(part.predictions["train"]["energy"]).sum() == 50 - part.n_frames
    kept = set((tmp_path / "rows").glob("train-*"))
    assert kept
    panel.model.unobserve_all("results")
    panel.run()
    fit = panel.job.wait(60)
    undisturbed = TrainPanel(*sets, heavy)
    undisturbed.run()
    assert fit.n_frames == 50 and (fit.model.weights == undisturbed.job.wait(60).model.weights).all()


def test_notes_are_told(sets):
    panel = TrainPanel(sets[0], None, GapConfig(Soap(cutoff=3.0, n_max=2, l_max=1, n_sparse=900)))
    panel.model.frames = 5
    panel.run()
    panel.job.wait(30)
    assert "n_sparse clipped from 900 to 20 for O" in panel.note.value
    assert "validation" not in panel.table.value


def test_a_run_is_recorded_once_also_if_its_end_is_noticed_twice(monkeypatch) -> None:
    from labkit.panels.train import model as module

    frames, kept = labkit.datasets.ice("train", n=50)[:4], []
    monkeypatch.setattr(module, "runs", lambda: type("Store", (), {"add": lambda self, *run: kept.append(run)})())
    panel = TrainPanel(frames, config=GapConfig(Soap(n_max=2, l_max=1, n_sparse=5), sigma_virial=None))
    panel.run().wait(60)
    panel.model._update(panel.job)
    assert len(kept) == 1
    panel.run().wait(60)
    assert len(kept) == 2


def test_an_outlier_shows_its_frame_with_both_forces(sets, trained):
    panel = trained[0]
    model, fit = panel.model, trained[0].model.results
    found, counts = fit.predictions["valid"], np.asarray(sets[1].counts)
    errors = np.abs(found["forces"] - found["forces_true"])
    row, component = np.unravel_index(np.argmax(errors), errors.shape)
    axes = next(k for k, each in enumerate(model.plotted.axes) if each.name == "forces")
    at = model.plotted.pointer(axes, found["forces_true"][row, component], found["forces"][row, component])
    frame = int(np.searchsorted(np.cumsum(counts), row, side="right"))
    atom = row - counts[:frame].sum()
    text, action = model.hover(at)
    symbol = sets[1].atoms[frame].symbols[atom]
    assert f"validation frame {frame}, atom {atom} ({symbol}), {'xyz'[component]}" in text
    assert action == "show this frame" and "eV/Å" in text

    model.press(at)
    shown = model.compared
    expected = sets[1].labels(frame)["forces"]
    np.testing.assert_array_equal(shown.forces[0], expected)
    np.testing.assert_allclose(shown.forces[1], fit.model.evaluate(sets[1].state([frame])).forces.numpy(), atol=1e-6)
    view = next(part for part in panel_parts(panel) if "labkit-compared" in getattr(part, "_dom_classes", ()))
    structure = view.structure.model
    np.testing.assert_allclose(structure.shown_arrows() * structure.scale, expected)
    np.testing.assert_allclose(structure.shown_predictions() * structure.scale, shown.forces[1])
    assert f"{symbol} {atom}" in view.table.value and f"{shown.errors[atom]:.3f}" in view.table.value

    energies = next(k for k, each in enumerate(model.plotted.axes) if each.name == "energy")
    series = next(s for s in model.plotted.series if s.axes == energies and s.name == "train")
    model.press(model.plotted.pointer(energies, series.x[7], series.y[7]))
    assert (model.compared.point.which, model.compared.point.frame, model.compared.point.atom) == ("train", 7, None)
    assert view.structure.model is structure  # the same viewer, another frame
    np.testing.assert_allclose(structure.shown_arrows() * structure.scale, sets[0].labels(7)["forces"])
    model.present(fit)
    assert model.compared.point.frame == 7  # a new fit keeps the frame that is looked at


def panel_parts(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from panel_parts(child)


def test_many_points_are_found_again_where_only_some_are_drawn():
    train = labkit.datasets.ice("train", n=120)
    panel = TrainPanel(train, None, GapConfig(Soap(cutoff=3.0, n_max=2, l_max=1, n_sparse=10), sigma_virial=None))
    panel.run()
    fit = panel.job.wait(60)
    model = panel.model
    series = next(s for s in model.plotted.series if s.name == "train" and model.plotted.axes[s.axes].name == "forces")
    assert len(series.x) < 36 * 120
    for k in (0, len(series.x) // 2, len(series.x) - 1):
        at = model.plotted.pointer(series.axes, series.x[k], series.y[k])
        point = model.point_at(at)
        row = sum(train.counts[: point.frame]) + point.atom
        assert fit.predictions["train"]["forces_true"][row, point.component] == pytest.approx(at.hit.x)
        assert fit.predictions["train"]["forces"][row, point.component] == pytest.approx(at.hit.y)
