"""Pictures that answer: a pointer finds what matplotlib has drawn there, on any axes, at any resolution."""

import io
import json
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labkit.panels.kit.figure_widget import FigureWidget
from labkit.panels.kit.live_figure import LiveFigure
from labkit.panels.kit.plotted import Plotted
from labkit.panels.kit.shown_figure import ShownFigure
from labkit.panels.kit.style import dress, new_figure

SCALES = st.sampled_from(["linear", "log"])


def two_axes(xscale="linear", yscale="log", layout=True):
    figure = new_figure(6.0, 3.0)
    if not layout:
        figure.set_layout_engine("none")
    left, right = figure.subplots(1, 2)
    dress(left, "time [fs]", "energy [eV]", "Left").plot([1.0, 2.0, 4.0], [10.0, 20.0, 40.0], "o", label="kinetic")
    left.axhline(15.0)
    left.set(xscale=xscale, yscale=yscale, xlim=(0.5, 8.0), ylim=(5.0, 80.0))
    dress(right, "x", "y", "Right").errorbar([0.0, 1.0], [3.0, 5.0], [0.1, 0.2], label="bars")
    figure.canvas.draw()
    return figure


@settings(max_examples=15, deadline=None)
@given(SCALES, SCALES, st.floats(0.51, 7.9), st.floats(5.1, 79.0), st.booleans())
def test_places_are_those_of_matplotlib(xscale, yscale, x, y, layout) -> None:
    figure = two_axes(xscale, yscale, layout)
    plotted = Plotted.of(figure)
    found = plotted.axes[0].place(x, y)
    expected = figure.transFigure.inverted().transform(figure.axes[0].transData.transform((x, y)))
    np.testing.assert_allclose(found, [expected[0], 1 - expected[1]], atol=1e-9)


def test_the_nearest_point_with_its_numbers() -> None:
    plotted = Plotted.of(two_axes())
    hit = plotted.pointer(0, 2.02, 20.2).hit
    assert (hit.name, hit.index, hit.x, hit.y) == ("kinetic", 1, 2.0, 20.0)
    assert hit.text == "kinetic: time 2 fs, energy 20 eV"
    assert plotted.pointer(0, 3.0, 60.0).hit is None and plotted.pointer(0, 3.0, 60.0).axes == "Left"
    assert plotted.pointer(1, 1.0, 5.0).hit.text == "bars: x 1, y 5"
    assert {series.name for series in plotted.series} == {"kinetic", "bars"}  # guides are no data


def test_the_picture_is_as_wide_as_the_screen_needs() -> None:
    for live in (False, True):
        model, figure = ShownFigure(), two_axes()
        model.show(LiveFigure(figure, figure.axes[0].lines[:1]) if live else figure)
        sizes = [Image.open(io.BytesIO(model.picture)).size]
        points = model.plotted.pointer(0, 2.0, 20.0).hit
        for pixels in (600, 901, 1333, 1920):  # a plain screen, one and a half, a fine one, an even finer one
            model.pixels = pixels
            sizes.append(Image.open(io.BytesIO(model.picture)).size)
        assert sizes == [(900, 450), (1200, 600), (901, 450), (1333, 666), (1920, 960)]
        assert model.plotted.pointer(0, 2.0, 20.0).hit.index == points.index


def test_a_picture_is_drawn_once_per_screen() -> None:
    model, drawn = ShownFigure(), []
    model.observe(lambda change: drawn.append(len(change.new)), "picture")
    model.pixels = 1200  # nothing to draw yet
    model.show(two_axes())
    model.pixels = 1200
    assert len(drawn) == 1


class Answering(ShownFigure):
    """Any click is kept; the first axes offer something."""

    def __init__(self):
        super().__init__()
        self.clicks = []

    def action(self, at):
        return "go there" if at.axes == "Left" else ""

    def press(self, at):
        self.clicks.append(at)


def test_events_of_the_page_are_answered(monkeypatch) -> None:
    model = Answering()
    widget, sent = FigureWidget.of(model, "two plots"), []
    monkeypatch.setattr(widget, "send", sent.append)
    receive = widget._handle_custom_msg  # as from the page
    assert widget.layout.display == "none" and widget.alt == "two plots"
    receive({"event": "hover", "axes": 0, "x": 2.0, "y": 20.0}, [])  # nothing is shown yet
    assert sent == []
    model.show(two_axes())
    assert widget.layout.display == "block" and widget.value == model.picture and len(widget.axes) == 2
    receive({"event": "hover", "axes": 0, "x": 2.01, "y": 20.0}, [])
    receive({"event": "hover", "axes": 0, "x": 7.0, "y": 70.0}, [])
    receive({"event": "hover", "axes": 1, "x": 0.5, "y": 3.5}, [])
    assert [m["text"] for m in sent] == ["kinetic: time 2 fs, energy 20 eV\nClick: go there", "Click: go there", ""]
    assert [m["clickable"] for m in sent] == [True, True, False]
    np.testing.assert_allclose(sent[0]["place"], model.plotted.axes[0].place(2.0, 20.0))
    receive({"event": "click", "axes": 0, "x": 4.0, "y": 40.0}, [])
    receive({"event": "click", "axes": 7, "x": 4.0, "y": 40.0}, [])
    assert [(at.axes, at.x, at.hit.index) for at in model.clicks] == [("Left", 4.0, 2)]


CHECK = """
import {{ locate }} from "{module}";
const axes = [{{box: [0.1, 0.2, 0.5, 0.9], x: [1, 100, true], y: [-2, 2, false]}}];
console.log(JSON.stringify([locate(axes, 0.3, 0.55), locate(axes, 0.6, 0.5), locate(axes, 0.1, 0.9)]));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_page_finds_data_coordinates(tmp_path) -> None:
    module = tmp_path / "widget.mjs"
    module.write_text(FigureWidget._esm.replace("export default", "export { locate };\nexport default"))
    (tmp_path / "check.mjs").write_text(CHECK.format(module=module))
    done = subprocess.run(["node", str(tmp_path / "check.mjs")], capture_output=True, text=True, check=True)
    middle, outside, corner = json.loads(done.stdout)
    assert middle["axes"] == 0 and middle["x"] == pytest.approx(10) and middle["y"] == pytest.approx(0)
    assert outside is None and (corner["x"], corner["y"]) == (pytest.approx(1), pytest.approx(-2))
