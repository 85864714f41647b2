"""The tray: rows, pins, overlays, files."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import labkit
from labkit.gap import Design, GapConfig, GapModel, Soap
from labkit.panels import RunTray, TrainPanel
from labkit.polarizability.settings import Settings as TensorSettings
from labkit.polarizability.target import TARGETS
from labkit.runs import FitRecord, Runs, runs

SETTINGS = GapConfig(Soap(cutoff=3.0, n_max=2, l_max=1, n_sparse=5), sigma_virial=None)


@pytest.fixture(scope="module")
def design():
    return Design.build(labkit.datasets.ice("train", n=50)[:6], SETTINGS, valid=labkit.datasets.ice("valid")[:3])


def add(store: Runs, design: Design, sigma: float) -> str:
    model = design.solve(sigma_energy=sigma)
    curves = {"r [Å] -> energy [eV]": ([1.0, 2.0], [sigma, 2 * sigma]), f"only {sigma} -> y": ([1e-3, 1.0], [1, 2])}
    run = FitRecord(f"sigma {sigma}", model.config, design.errors(model), model.log_evidence, 0.1, 6, curves)
    return store.add(run, model)


def test_new_runs_appear_and_pins_stay(tmp_path, design) -> None:
    store = Runs(tmp_path)
    tray = RunTray(store)
    assert "No fit yet" in tray.older.value
    keys = [add(store, design, sigma) for sigma in (0.001, 0.01, 0.1)]
    assert len(tray.table.children) == 4 and "sigma 0.1" in tray.table.children[1].children[1].value  # newest on top
    tray.table.children[1].children[0].value = True
    assert tray.model.pinned == [keys[2]] and tray.image.value == tray.model.picture != b""
    tray.model.clear()
    assert [run.key for run in store.all()] == [keys[2]] and tray.table.children[1].children[0].value


def test_clear_asks_says_how_many_and_can_be_undone(tmp_path, design) -> None:
    store = Runs(tmp_path)
    keys = [add(store, design, sigma) for sigma in (0.001, 0.01, 0.1)]
    tray = RunTray(store)
    buttons = {"Delete": tray.delete_button, "Keep": tray.keep_button, "Undo": tray.undo_button}

    def there() -> list[str]:
        return [name for name, button in buttons.items() if button.layout.display != "none"]

    assert there() == []
    tray.model.pin(keys[1])
    tray.clear_button.click()
    assert len(store.all()) == 3 and there() == ["Delete", "Keep"]
    assert "Delete 2 runs that are not pinned, of all notebooks" in tray.question.value
    tray.keep_button.click()
    assert len(store.all()) == 3 and there() == []
    tray.clear_button.click()
    tray.delete_button.click()
    assert [run.key for run in store.all()] == [keys[1]] and there() == ["Undo"]
    assert "2 deleted runs can be brought back" in tray.question.value
    again = RunTray(Runs(tmp_path))  # another notebook, or after a restart
    again.undo_button.click()
    tray.refresh_button.click()
    assert [run.key for run in store.all()] == keys and there() == [] and store.model_file(keys[0]).exists()


def test_numbers_stay_when_other_runs_are_deleted(tmp_path, design) -> None:
    store = Runs(tmp_path)
    keys = [add(store, design, sigma) for sigma in (0.001, 0.01, 0.1)]
    tray = RunTray(store)
    tray.model.pin(keys[2])
    for sigma in (0.2, 0.3):
        tray.model.clear()
        keys.append(add(store, design, sigma))
    assert [label for label, _ in tray.model.rows()] == ["#3", "#5"]
    shown = [row.children[1].value for row in tray.table.children[1:]]
    assert "#5" in shown[0] and "#3" in shown[1]
    assert "<th>#3</th>" in (tray.model.pin(keys[4]) or tray.differences.value)
    assert {"gap_config-3.cfg", "gap_config-5.cfg"} < set(tray.model.files())
    tray.model.undo()
    assert [label for label, _ in tray.model.rows()] == ["#3", "#4", "#5"]


def test_overlay_draws_each_pinned_run(tmp_path, design) -> None:
    store = Runs(tmp_path)
    keys = [add(store, design, sigma) for sigma in (0.001, 0.1)]
    tray = RunTray(store)
    pictures = []
    for key in keys:
        tray.model.pin(key)
        pictures.append(np.asarray(Image.open(io.BytesIO(tray.model.picture))))
    assert tray.choice.options == ("r [Å] -> energy [eV]", "only 0.001 -> y", "only 0.1 -> y")
    assert (pictures[0] != pictures[1]).any()
    tray.choice.value = "only 0.1 -> y"
    assert (np.asarray(Image.open(io.BytesIO(tray.model.picture))) != pictures[1]).any()
    for key in keys:
        tray.model.pin(key, False)
    assert tray.model.picture == b"" and tray.image.layout.display == "none"


def test_files_of_the_pinned_are_what_gap_fit_and_labkit_read(tmp_path, design) -> None:
    store = Runs(tmp_path)
    keys = [add(store, design, sigma) for sigma in (0.001, 0.1)]
    tray = RunTray(store)
    tray.model.pin(keys[1])
    files = tray.model.files()
    assert set(files) == {"runs.csv", "gap_config-2.cfg", "gap-2.safetensors", "overlay.png"}
    assert GapConfig.parse(files["gap_config-2.cfg"].decode()).sigma_energy == 0.1
    (tmp_path / "again.safetensors").write_bytes(files["gap-2.safetensors"])
    assert GapModel.load(tmp_path / "again.safetensors").config.sigma_energy == 0.1
    table = pd.read_csv(io.BytesIO(files["runs.csv"]))
    assert table["sigma_energy"].tolist() == [0.001, 0.1] and len(table) == 2


def test_train_panel_leaves_a_run_with_its_model() -> None:
    before = len(runs().all())
    panel = TrainPanel(labkit.datasets.ice("train", n=50)[:6], labkit.datasets.ice("valid")[:3], SETTINGS)
    panel.run()
    fit = panel.job.wait(30)
    # a panel of an earlier test may still be putting down where its slider came to rest
    (run,) = [run for run in runs().all()[before:] if run.frames == 6]
    assert run.errors["rmse"].tolist() == fit.errors["rmse"].tolist()
    assert (GapModel.load(runs().model_file(run.key)).weights == fit.model.weights).all()


def test_runs_of_other_models_stand_beside_gaps(tmp_path, design) -> None:
    store = Runs(tmp_path)
    gap = add(store, design, 0.01)
    index = pd.MultiIndex.from_tuples([("valid", "polarizability")], names=["set", "quantity"])
    errors = pd.DataFrame({"rmse": [0.125], "unit": "Å^3"}, index=index)
    tensor = TensorSettings(TARGETS["polarizability"], (1, 8), cutoff=4.5)
    key = store.add(FitRecord("tensors", tensor, errors, None, 2.0, 8, {"frames -> error": ([1, 2], [2.0, 1.0])}))
    tray = RunTray(store)
    newest, older = (row.children[1].value for row in tray.table.children[1:])
    assert "tensor" in newest and "cutoff 4.5" in newest and "0.125" in newest
    assert "n2 l1 3 Å" in older and "energy" in older and "meV/atom" in older  # the head is the newest run's
    for pinned in (gap, key):
        tray.model.pin(pinned)
    assert "<td>model</td><td>gap</td><td>tensor</td>" in tray.differences.value
    assert "<td>cutoff</td><td>3</td><td>4.5</td>" in tray.differences.value
    files = tray.model.files()
    assert {"gap_config-1.cfg", "settings-2.json"} < set(files) and len(files["overlay.png"]) > 1000
    (tmp_path / "9.json").write_text("{")
    tray.model.refresh()
    assert "9.json cannot be read" in tray.older.value


def test_differences_are_of_what_differs(tmp_path, design) -> None:
    store = Runs(tmp_path)
    tray = RunTray(store)
    for sigma in (0.001, 0.1):
        tray.model.pin(add(store, design, sigma))
    assert tray.differences.value.count("<tr>") == 2 and "<td>sigma_energy</td>" in tray.differences.value


@pytest.mark.parametrize(
    "odd",
    [
        {"curves": {"x -> y": [[1.0, float("inf")], [float("nan"), 1.0]]}},
        {"curves": {"x -> y": [[], []]}},
        {"curves": {"x -> y": [["a"], [1.0]]}},
        {"errors": []},
        {"errors": [{"set": "train", "quantity": "energy", "rmse": float("inf"), "unit": "<b>"}]},
        {"errors": [{"set": 1, "quantity": None, "rmse": "x", "unit": 2}]},
        {"settings": {"kind": "other", "values": {"a": {"b": [{"c": None}]}}}},
        {"settings": {"kind": ["gap"], "values": {}}},
        {"evidence": "large"},
        {"frames": "many"},
        {"name": {"a": 1}},
        {"seconds": float("nan")},
    ],
)
def test_one_odd_run_does_not_break_the_tray(odd, tmp_path, design) -> None:
    store = Runs(tmp_path)
    keys = [add(store, design, 0.01)]
    plain = json.loads((tmp_path / f"{keys[0]}.json").read_text())
    del plain["sha256"]
    (tmp_path / "00000000000000001-0000.json").write_text(json.dumps(plain | odd))
    tray = RunTray(Runs(tmp_path))
    for run in tray.model.store.all():
        tray.model.pin(run.key)
    assert keys[0] in tray.model.pinned and tray.model.picture and "runs.csv" in tray.model.files()
    add(store, design, 0.1)
    tray.model.refresh()
    assert "sigma 0.1" in tray.table.children[1].children[1].value
