"""What remains of a card without its kernel: complete in itself, small, and as true as the card was."""

import base64
import io
import re

import numpy as np
import pytest
import traitlets
from ase.build import molecule
from PIL import Image

from labkit.jobs import Job, finish
from labkit.panels import RunTray, StructurePanel
from labkit.panels.kit import still
from labkit.panels.kit.controls import parameter
from labkit.panels.kit.model import PanelModel
from labkit.panels.kit.style import TRAIN, VALID, dress, new_figure, to_png
from labkit.panels.kit.view import Panel
from labkit.runs import Runs


def squares(count, progress):
    for k in range(count):
        yield [i * i for i in range(k + 1)]


class SquaresModel(PanelModel):
    title = "Squares <&>"

    count = parameter(5, "basic", "numbers")
    power = parameter(2.0, "basic", "power", "Å")
    sure = parameter(traitlets.Bool(True), "basic", "sure")

    def make_job(self):
        return Job(squares, self.count, name="squares")

    def present(self, result):
        figure = new_figure(6.4, 4.0)
        dress(figure.add_subplot(), "n", "n² [Å]").plot(result, color=TRAIN)
        self.show(figure)
        self.table, self.note = f"<table><tr><td>{result[-1]}</td></tr></table>", "Growing <fast>."

    def script(self):
        return ""


class SquaresPanel(Panel):
    model_type = SquaresModel


@pytest.fixture
def sent(monkeypatch):
    """What would be displayed: pairs of HTML and whether it replaces an earlier one."""
    found = []

    def display(data, update=False, **how):
        if "text/html" in data:
            found.append((data["text/html"], update))

    monkeypatch.setattr(still, "display", display)
    monkeypatch.setattr("labkit.panels.kit.replaced.display", display)
    return found


def pictures(html):
    return [base64.b64decode(text) for text in re.findall(r"src='data:image/png;base64,([^']+)'", html)]


def rgb(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_a_still_has_settings_table_note_and_picture(sent):
    panel = SquaresPanel()
    panel.model.count = 7
    panel.run().wait(30)
    panel._ipython_display_()
    ((html, update),) = sent
    assert not update and "Squares &lt;&amp;&gt;" in html and "Growing &lt;fast&gt;." in html
    assert "numbers 7 · power 2 Å · sure on" in html and "<td>36</td>" in html and "done" in html
    assert "run this cell again" in html
    (png,) = pictures(html)
    assert np.abs(rgb(png) - rgb(panel.model.picture)).max() < 32 and len(png) < len(panel.model.picture) / 2
    assert "width: 640px" in html and "alt='Squares &lt;&amp;&gt;: last results. " in html


def test_a_still_needs_neither_network_nor_scripts(sent):
    for card in (SquaresPanel(), StructurePanel(molecule("H2O"), "Water"), RunTray(Runs("/nonexistent"))):
        card._ipython_display_()
        html = sent.pop()[0]
        assert not re.search(r"https?:|<script|onerror|<link|@import", html)


def test_it_follows_the_panel(sent):
    panel = SquaresPanel()
    panel._ipython_display_()
    assert "<td>" not in sent.pop()[0]
    panel.run()
    finish(30)  # as at the end of a notebook: the still is up to date afterwards
    html, update = sent[-1]
    assert update and "<td>16</td>" in html and len(sent) <= 2
    panel.let_go()
    panel.run().wait(30)
    finish(30)
    assert sent[-1][0] == html  # the page keeps it


def test_nothing_is_sent_of_a_card_that_no_cell_shows(sent):
    SquaresPanel().run().wait(30)
    finish(30)
    assert sent == []


def test_structures_leave_the_frame_that_was_shown(sent):
    panel = StructurePanel([molecule("H2O"), molecule("C6H6")], "Molecules")
    panel._ipython_display_()
    first = sent.pop()[0]
    panel.model.index = 1
    finish(30)
    second = sent.pop()[0]
    assert "H₂O" in first and "C₆H₆" in second and "Molecules" in second
    assert np.abs(rgb(pictures(first)[0])[..., 0] - 255).any() and pictures(first) != pictures(second)


def test_rare_colours_survive_and_no_picture_is_wider_than_needed():
    figure = new_figure(7.4, 6.0)
    axes = dress(figure.add_subplot(), "x", "y")
    axes.plot(np.random.default_rng(0).normal(size=2000), "o", color=TRAIN, alpha=0.5, markersize=2)
    axes.plot([1000.0], [0.0], "o", color=VALID, markersize=6)
    figure.set_dpi(300)
    small, width = still.few_colours(to_png(figure))
    assert width == still.WIDEST == rgb(small).shape[1] and len(small) < 150_000
    orange = np.array([int(VALID[k : k + 2], 16) for k in (1, 3, 5)])
    assert (np.abs(rgb(small) - orange).sum(2) < 30).sum() > 50


def test_few_colours_are_enough():
    figure = new_figure(3.0, 2.0)
    dress(figure.add_subplot(), "x", "y").plot([0, 1], color=TRAIN)
    png = to_png(figure)
    small, width = still.few_colours(png)
    assert width == rgb(png).shape[1] and rgb(small).shape == rgb(png).shape
