"""The Data panel without a screen."""

import io
import json
from dataclasses import replace
from html import escape

import numpy as np
import pytest
from panels.seen import covered
from PIL import Image

import labkit
from labkit.errors import LabkitError
from labkit.panels import DataPanel
from labkit.panels.data.figure import data_figure
from labkit.panels.data.summary import findings_table


@pytest.fixture(scope="module")
def ds():
    return labkit.datasets.ice("train", n=50)


@pytest.fixture(scope="module")
def panel(ds):
    made = DataPanel(ds)
    made.run()
    made.job.wait(60)
    return made


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3).astype(int)


def red(png):
    rgb = pixels(png)
    return int(((rgb[:, 0] > 150) & (rgb[:, 1] < 60) & (rgb[:, 2] < 60)).sum())


def test_findings_stand_in_the_table_and_the_picture_shows_curves(panel):
    assert panel.model.status == "done" and "forces belong to their frames" in panel.table.value
    rgb = pixels(panel.model.picture)
    assert (rgb[:, 2] > rgb[:, 0] + 60).sum() > 500 and (rgb[:, 0] > rgb[:, 2] + 60).sum() > 100
    assert red(panel.model.picture) == 0 and "0 problems" in panel.note.value


def test_a_planted_shift_is_found_and_marked_in_red(ds):
    panel = DataPanel(ds)
    panel.model.shift = 3
    panel.run()
    report = panel.job.wait(60)
    assert report.shifts == {"forces": 3} and "found a shift of +3" in panel.table.value
    assert red(panel.model.picture) > 50 and "on purpose" in panel.model.note
    assert (ds.forces == labkit.datasets.ice("train", n=50).forces).all()


@pytest.mark.parametrize("shift", [0, -2])
def test_shown_code_does_the_same(ds, shift, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    panel = DataPanel(ds)
    panel.model.shift = shift
    names = {}
    exec(panel.model.code(), names)
    assert names["report"].shifts == ({"forces": shift} if shift else {})
    assert "forces alignment" in capsys.readouterr().out and (tmp_path / "report.json").is_file()


def test_downloads(panel):
    files = panel.model.files()
    assert json.loads(files["report.json"])["frames"] == 50
    assert files["findings.csv"].decode().splitlines()[0] == "severity,topic,frame,text,remedy,sure"
    assert DataPanel(panel.model.dataset).model.files() == {}


def test_stop_ends_it(ds):
    panel = DataPanel(ds + ds + ds + ds)
    panel.model.make_job = lambda make=panel.model.make_job: _slow(make())
    panel.run()
    panel.stop()
    panel.job.wait(30)
    assert panel.model.status == "stopped" and panel.model.results is None


def _slow(job):
    update = job.progress.update

    def wait(*args, **metrics):
        job.progress._stop.wait(5)
        update(*args, **metrics)

    job.progress.update = wait
    return job


def test_nothing_to_examine_and_nothing_to_shift(ds):
    with pytest.raises(LabkitError, match="empty"):
        DataPanel(ds[:0])
    from ase.build import molecule
    from ase.calculators.emt import EMT

    water = molecule("H2O")
    water.calc = EMT()
    water.get_forces()
    panel = DataPanel(ds + labkit.Dataset.from_atoms([water]))
    panel.model.shift = 1
    with pytest.raises(LabkitError, match="all frames have the same number of atoms"):
        panel.run()


def test_markup_in_names_is_text(ds):
    from dataclasses import replace

    panel = DataPanel(replace(ds[:3], name="<script>"))
    panel.run()
    panel.job.wait(30)
    assert "<script>" not in panel.note.value + panel.table.value


def test_words_come_first_and_statistics_are_folded_away(ds):
    panel = DataPanel(ds)
    panel.model.shift = 3
    panel.run()
    report = panel.job.wait(60)
    table = panel.table.value
    assert table.index("Repair the data before you train.") < table.index("found a shift of +3") < table.index("notes:")
    for finding in report.findings:
        folded = f"<summary>how sure</summary>{escape(finding.sure)}"
        assert not finding.sure or folded in table
    assert "Nothing wrong was found." in findings_table(labkit.audit(ds))


@pytest.mark.parametrize("shift", [0, 1, 9, -9])
def test_the_legend_covers_no_curve(ds, shift):
    forces = np.roll(ds.forces, shift * ds.counts[0], axis=0)
    figure = data_figure(labkit.audit(replace(ds, forces=forces)))
    assert not covered(figure.axes[3])


def test_done_is_all_of_the_bar_and_findings_have_the_full_width(panel):
    assert panel.bar.value == 1.0
    card, *_ = panel.children
    (results,) = [box for box in walk(card) if panel.table in getattr(box, "children", ())]
    assert results.layout.flex == "1 1 100%"


def walk(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)
