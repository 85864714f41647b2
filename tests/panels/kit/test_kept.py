"""What panels keep in the session's folder, and find again."""

import os
from dataclasses import replace

import numpy as np
import pytest
from ase.build import molecule
from hypothesis import given
from hypothesis import strategies as st

import labkit
from labkit.errors import LabkitError
from labkit.jobs import Job, finish
from labkit.panels.kit import kept as kept_module
from labkit.panels.kit.controls import parameter
from labkit.panels.kit.kept import KeptPanel, KeptPanels, name_of
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.view import Panel

VALUES = st.dictionaries(
    st.text(min_size=1), st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())
)
SOME = KeptPanel({"cutoff": 4.0}, b"\x89PNG", "<table>", "note")


def nothing(path):
    pass


@given(VALUES, st.binary(), st.text(), st.text(), st.booleans())
def test_all_that_is_kept_comes_back(values, picture, table, note, by_hand):
    kept = KeptPanel(values, picture, table, note, by_hand)
    assert KeptPanel.from_json(kept.to_json()) == kept


def test_changed_or_damaged_files_are_not_shown(tmp_path):
    panels = KeptPanels(tmp_path)
    assert panels.read("a") is None
    panels.write("a", SOME, nothing)
    assert panels.read("a") == SOME
    text = (tmp_path / "a.json").read_text()
    for changed in (text[:-20], text.replace("note", "nose"), "[]", "{}", text.replace("4.0", "5.0"), "\udcff" * 3):
        (tmp_path / "a.json").write_text(changed, errors="surrogateescape")
        assert panels.read("a") is None


def test_results_are_never_those_of_another_run(tmp_path):
    panels = KeptPanels(tmp_path)
    panels.write("a", SOME, lambda path: path.write_text("first"))
    assert panels.recall("a", lambda path: path.read_text()) == "first"
    panels.write("a", replace(SOME, note="second, without results"), nothing)
    assert panels.recall("a", lambda path: path.read_text()) is None
    panels.results("a").write_text("odd")
    assert panels.recall("a", lambda path: 1 / 0) is None


def test_the_oldest_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_module, "MOST", 3)
    panels = KeptPanels(tmp_path)
    for k in range(5):
        panels.write(f"p{k}", SOME, lambda path: path.write_text("x"))
        os.utime(tmp_path / f"p{k}.json", (k, k))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"p{k}.{end}" for k in (2, 3, 4) for end in ("json", "safetensors")
    )


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(LabkitError, match="LABKIT_SESSION"):
        KeptPanels(tmp_path / "file").write("a", SOME, nothing)


def test_names_tell_panels_apart():
    train = labkit.datasets.ice("train", n=10)
    water = molecule("H2O")
    moved = water.copy()
    moved.positions[0, 0] += 0.1
    same = [("c", Panel, [train, {"atoms": water}], {"n": 1}) for _ in range(2)]
    others = [
        ("d", Panel, [train, {"atoms": water}], {"n": 1}),
        ("c", PanelModel, [train, {"atoms": water}], {"n": 1}),
        ("c", Panel, [train[:9], {"atoms": water}], {"n": 1}),
        ("c", Panel, [train, {"atoms": moved}], {"n": 1}),
        ("c", Panel, [train, {"atoms": water}], {"n": 2}),
        ("c", Panel, [train, {"atoms": [water, water]}], {"n": 1}),
    ]
    names = [name_of(*arguments) for arguments in same + others]
    assert names[0] == names[1] and len(set(names)) == 1 + len(others)


def powers(base, count, progress):
    for k in range(count):
        yield base**k


class PowersModel(PanelModel):
    title, continue_hint = "Powers", "further"

    base = parameter(2, "basic", "base")
    count = parameter(4, "basic", "count")

    def make_job(self):
        return Job(powers, self.base, self.count, name="powers")

    def present(self, result):
        self.table = str(result)

    def keep(self, path):
        np.save(path.with_suffix(".npy"), self.results)
        path.with_suffix(".npy").rename(path)

    def recall(self, path):
        return int(np.load(path))


class PowersPanel(Panel):
    model_type = PowersModel


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A function that makes a panel, lets `code` work on it and shows it in a cell of that name."""
    monkeypatch.setattr("labkit.panels.kit.replaced.display", nothing_at_all)
    monkeypatch.setattr("labkit.panels.kit.still.display", nothing_at_all)

    def show(cell="one", code=lambda panel: None):
        monkeypatch.setattr("labkit.panels.kit.view.present", lambda: (cell, ""))
        panel = PowersPanel()
        panel.keeping._panels = KeptPanels(tmp_path)
        code(panel)
        panel._ipython_display_()
        return panel

    return show


def nothing_at_all(*args, **options):
    pass


def used(panel):
    """As a person does: other settings, and Run."""
    panel.model.base, panel.model.count = 3, 5
    panel.run_button.click()
    finish(30)
    return panel


def test_a_panel_comes_back_in_its_cell(shown):
    used(shown())
    assert shown("another").model.table == ""
    panel = shown()
    assert (panel.model.base, panel.model.count, panel.model.table, panel.model.results) == (3, 5, "81", 81)
    assert panel.table.value == "81" and not panel.continue_button.disabled and panel.job is None
    assert "kept from before. Continue goes on" in panel.kept.words.value and panel.kept.layout.display == "flex"
    panel.run_button.click()
    finish(30)
    assert panel.kept.layout.display == "none"


def test_code_that_runs_the_panel_counts_and_what_was_made_by_hand_is_offered(shown):
    used(shown())

    def code(panel):
        panel.run().wait(30)

    for _ in range(2):  # the run of the notebook's code has not replaced what was made by hand
        panel = shown(code=code)
        finish(30)
        assert panel.model.table == "8" and panel.kept.button.layout.display != "none"
    panel.kept.button.click()
    assert panel.model.table == "81" and panel.model.base == 3 and panel.kept.button.layout.display == "none"


def test_what_only_code_has_run_is_replaced_by_the_next_run(shown):
    finish(30), shown(code=lambda panel: panel.run().wait(30)), finish(30)
    panel = shown(code=lambda panel: panel.run().wait(30))
    assert panel.kept.layout.display == "none" and panel.model.table == "8"


def test_a_cell_that_makes_another_panel_gets_nothing(shown):
    used(shown())
    assert shown(code=lambda panel: setattr(panel.model, "base", 7)).model.table == ""


def test_a_run_is_not_overtaken_by_an_earlier_one(shown):
    used(shown())

    def code(panel):
        panel.model.count = 4
        panel.model.make_job = lambda: Job(slowly, name="slow")
        panel.run()

    panel = shown(code=code)
    panel.kept.button.click()
    assert "press Stop" in panel.error.value and panel.model.table == ""
    panel.stop()
    finish(30)


def slowly(progress):
    while not progress.should_stop():
        pass
    return 1


def test_a_folder_that_cannot_be_used_is_said(shown, tmp_path):
    panel = shown()
    (tmp_path / "file").write_text("mine")
    panel.keeping._panels = KeptPanels(tmp_path / "file")
    used(panel)
    assert "LABKIT_SESSION" in panel.kept.words.value and panel.model.status == "done"
