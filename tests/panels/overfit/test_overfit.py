"""The Overfitting panel without a screen: every move is the fit it says, fast, and what is built is kept."""

import io
import time

import numpy as np
import pytest
from PIL import Image

import labkit
from labkit.active import GpVariance
from labkit.base import State
from labkit.datasets.faults import with_noise
from labkit.errors import LabkitError
from labkit.gap import Design, GapConfig, Soap
from labkit.panels import OverfitPanel
from labkit.runs import runs
from tests.panels.seen import cut_off

SMALL = GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=25), sigma_force=0.05, sigma_virial=None)


@pytest.fixture(scope="module")
def sets():
    return labkit.datasets.ice("train", n=50), labkit.datasets.ice("valid")[:20]


@pytest.fixture
def panel(sets):
    made = OverfitPanel(*sets, SMALL, scan=labkit.datasets.ice("stretch"))
    made.run()
    made.settle()
    return made


def test_every_move_is_the_fit_that_a_script_makes(panel, sets) -> None:
    model = panel.model
    design = Design.build(sets[0], SMALL, valid=sets[1])
    for sigma_energy, sigma_force in ((1e-3, 0.2), (0.1, 1e-3)):
        model.sigma_energy, model.sigma_force = sigma_energy, sigma_force
        panel.settle()
        expected = design.solve(sigma_energy=sigma_energy, sigma_force=sigma_force)
        np.testing.assert_allclose(model.point.errors["rmse"], design.errors(expected)["rmse"], rtol=1e-6)
        assert model.point.model.log_evidence == pytest.approx(expected.log_evidence, rel=1e-9)
        scan = State.from_atoms(model.scan.frames)
        np.testing.assert_allclose(model.point.energy, expected.evaluate(scan, forces=False).energy, atol=1e-5)
        spread = GpVariance(expected)(scan).per_system
        np.testing.assert_allclose(model.point.spread, spread, rtol=1e-5, atol=1e-7)
        assert f"{model.point.errors.loc[('valid', 'forces'), 'rmse']:.3g}" in panel.table.value


def test_no_circle_is_cut_off_at_an_edge(panel, sets) -> None:
    panel.model.sigma_force, panel.model.sigma_energy = 1e-4, 1e-5
    panel.settle()
    figure = panel.model._figure.live.figure
    assert len(figure.axes) == 4 and len(figure.axes[1].lines) and cut_off(figure) == []


def test_a_move_is_drawn_within_150_milliseconds(panel) -> None:
    model, drawn, waits, work = panel.model, [], [], []
    model.observe(lambda _: drawn.append(time.perf_counter()), "picture")
    for sigma in np.geomspace(2e-3, 2.0, 11):
        panel.settle()
        before, count, busy = time.perf_counter(), len(drawn), time.process_time()
        model.sigma_force = float(sigma)
        while len(drawn) == count and time.perf_counter() < before + 5:
            time.sleep(0.001)
        waits.append(drawn[count] - before)
        work.append(time.process_time() - busy)
    middle, most = np.median(waits), np.percentile(waits, 90)
    print(f"a move took {1e3 * middle:.0f} ms, 9 of 10 at most {1e3 * most:.0f} ms")
    # one in ten may also wait for its turn on the core, but may not take longer there
    assert middle < 0.150 and np.percentile(work, 90) < 0.150 and most < 0.450


def test_a_storm_of_moves_ends_at_the_last(panel) -> None:
    for sigma in np.geomspace(1e-3, 1.0, 200):
        panel.model.sigma_force = float(sigma)
    panel.settle()
    assert panel.model.point.model.config.sigma_force == pytest.approx(1.0)


def test_pictures_show_what_moved(panel) -> None:
    model = panel.model
    first = np.asarray(Image.open(io.BytesIO(model.picture)))
    model.sigma_force = 3.0
    panel.settle()
    second = np.asarray(Image.open(io.BytesIO(model.picture)))
    assert first.shape == second.shape
    changed = (first != second).any(-1)
    height, width = changed.shape
    for rows in (slice(0, height // 2), slice(height // 2, None)):
        for columns in (slice(0, width // 2), slice(width // 2, None)):
            assert changed[rows, columns].any()  # parity, scan, errors and evidence, each of them


def test_other_sliders_build_anew_and_the_second_time_is_read(panel) -> None:
    model = panel.model
    model.n_max = 4
    panel.settle()
    assert model.results.design.config.descriptors[0].n_max == 4 and model.status == "done"
    folder = labkit.config.config().cache / "designs"
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    assert files
    model.n_max = 3
    panel.settle()
    model.n_max = 4
    panel.settle()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")} == files


def test_labels_frames_and_noise_reach_the_fit(panel, sets) -> None:
    model = panel.model
    model.labels, model.frames, model.noise = "energies only", 30, 5.0
    panel.settle()
    config = SMALL.replace(sigma_force=None)
    noisy = with_noise(sets[0][:30], 0.005, 0.1)
    design = Design.build(noisy, config, valid=sets[1])
    rmse = model.point.errors["rmse"]
    np.testing.assert_allclose(rmse, design.errors(design.solve(sigma_energy=model.sigma_energy))["rmse"], rtol=1e-6)
    assert model.swept == "sigma_energy" and ("train", "forces") not in rmse.index and model.shown == "energy"


def test_changes_while_it_builds_end_in_the_last_one(sets) -> None:
    panel = OverfitPanel(*sets, SMALL)
    panel.run()
    for n_max in (4, 5, 2):
        panel.model.n_max = n_max
    panel.settle()
    assert panel.model.results.design.config.descriptors[0].n_max == 2
    assert panel.model.results.n_frames == 50 and panel.model.status == "done"


def test_each_rest_is_a_row_of_the_tray(panel) -> None:
    before = len(runs().all())
    panel.model.sigma_force = 0.7
    panel.settle()
    panel.model.shown = "energy"  # the same fit
    panel.settle()
    new = runs().all()[before:]
    assert len(new) == 1 and new[0].settings.sigma_force == 0.7 and new[0].frames == 50
    assert {name.split(" ")[0] for name in new[0].curves} == {"O-H", "sigma_force"}


def test_script_and_files_say_the_same(panel, sets, tmp_path) -> None:
    model = panel.model
    model.noise = 2.0
    panel.settle()
    namespace: dict = {}
    exec(model.code().replace("print(", "shown.append("), {"shown": (shown := [])} | namespace)
    np.testing.assert_allclose(shown[0]["rmse"], model.point.errors["rmse"], rtol=1e-5)
    assert set(model.files()) == {"gap_config.cfg", "overfitting.png", "sweep.csv"}
    text = model.files()["gap_config.cfg"].decode()
    assert GapConfig.parse(text) == model.point.model.config
    assert model.files()["sweep.csv"].decode().splitlines()[0].startswith("sigma_force,train energy")


def test_without_validation_and_without_a_scan(sets) -> None:
    panel = OverfitPanel(sets[0][:10], None, SMALL)
    panel.run()
    panel.settle()
    assert panel.model.scan.label == "O-H" and "validation" not in panel.table.value and panel.model.picture
    assert len(panel.model.scan.known) == 0


@pytest.mark.parametrize(
    "name, value, sentence", [("sigma_force", 0.0, "expected a number above 0"), ("zeta", -1, "zeta is -1")]
)
def test_nonsense_is_told_and_mended(panel, name: str, value: float, sentence: str) -> None:
    good = getattr(panel.model, name)
    panel.model.set_trait(name, value)
    panel.settle()
    assert sentence in panel.model.message
    panel.model.set_trait(name, good)
    panel.settle()
    assert panel.model.message == "" and panel.model.point.model.config.sigma_force > 0


def test_one_frame_and_more_points_than_environments(sets) -> None:
    panel = OverfitPanel(sets[0][:1], sets[1], SMALL)
    panel.run()
    panel.settle()
    assert np.isfinite(panel.model.point.errors["rmse"]).all() and "n_sparse" in panel.model.note


def test_an_empty_training_set_is_refused(sets) -> None:
    with pytest.raises(LabkitError, match="empty"):
        OverfitPanel(sets[0][:0])


def test_a_click_on_a_curve_over_sigma_moves_the_slider(panel) -> None:
    model = panel.model
    for name in ("error", "evidence"):
        axes = next(k for k, each in enumerate(model.plotted.axes) if each.name == name)
        at = model.plotted.pointer(axes, 0.31, sum(model.plotted.axes[axes].y[:2]) / 2)
        assert model.action(at) == "sigma_force 0.32 eV/Å"
        model.sigma_force = 0.01
        model.press(at)
        panel.settle()
        assert model.sigma_force == pytest.approx(10**-0.5)  # where the slider can stand
        assert model.point.model.config.sigma_force == pytest.approx(10**-0.5)
    model.sigma_energy = 1e-3
    panel.settle()
    axes = next(k for k, each in enumerate(model.plotted.axes) if each.name == "error")
    model.press(model.plotted.pointer(axes, 0.01, 1.0))
    assert model.sigma_energy == pytest.approx(0.01) and model.sigma_force == pytest.approx(10**-0.5)


def test_the_frame_that_is_looked_at_follows_the_slider(panel, sets) -> None:
    model = panel.model
    series = next(s for s in model.plotted.series if s.name == "valid")
    at = model.plotted.pointer(series.axes, series.x[40], series.y[40])
    model.press(at)
    point = model.compared.point
    before = model.compared.forces[1]
    model.sigma_force = 2.0
    panel.settle()
    assert model.compared.point == point and np.abs(model.compared.forces[1] - before).max() > 1e-3
    expected = model.point.model.evaluate(sets[1].state([point.frame])).forces.numpy()
    np.testing.assert_allclose(model.compared.forces[1], expected, atol=1e-6)
