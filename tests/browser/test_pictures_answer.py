"""Pictures in a real page: sharp on a fine screen, numbers under the pointer, frames and sliders after a click."""

import io
import json

import pytest
from browser import lab_page
from PIL import Image

until = lab_page.until

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # test_overfitting has the same on a plain screen

CELL = """import labkit
from labkit.gap import GapConfig, Soap
from labkit.panels import OverfitPanel
train, valid = labkit.datasets.ice("train", n=50)[:10], labkit.datasets.ice("valid")[:6]
panel = OverfitPanel(train, valid, GapConfig(Soap(cutoff=3.0, n_max=3, l_max=2, n_sparse=20), sigma_virial=None))
panel.run()
panel.settle()
panel"""
WHERE = """import json
model = panel.model
print(json.dumps({{"at": model.plotted.axes[{axes}].place({x}, {y}).tolist()}}))"""
ASKED = "print(json.dumps([model.sigma_force, panel.image.pixels]))"


@pytest.fixture
def fine_page(browser, artefacts):
    """A page of 1280 x 720 on a screen with two pixels for each of them."""
    page = browser.new_page(viewport={"width": 1280, "height": 720}, device_scale_factor=2)
    page.set_default_timeout(60_000)
    yield page
    page.screenshot(path=artefacts / "pictures_answer.png")
    lab_page.end_kernels(page)
    page.close()


def told(page, source):
    """What a cell prints, as JSON."""
    count = page.locator(".jp-OutputArea-output pre").count()
    lab_page.type_cell(page, source)
    outputs = page.locator(".jp-OutputArea-output pre")
    until(lambda: outputs.count() > count and outputs.last.inner_text().strip(), 20, "output")
    return json.loads(outputs.last.inner_text())


def test_overfitting_answers_the_pointer_on_a_fine_screen(fine_page, shared_lab, artefacts):
    page = fine_page
    address = shared_lab.replace("00_start_here", "02_learning_curve")
    lab_page.open_lab(page, address.replace("/lab/tree/", "/lab/workspaces/pictures/tree/"))
    lab_page.type_cell(page, CELL)
    panel = page.locator(".labkit").first
    image = panel.locator(".labkit-figure img").first
    until(lambda: image.count() and image.is_visible(), 60, "picture")
    until(lambda: "*" not in "".join(lab_page.prompts(page)), 30, "end of the cell")

    width = image.evaluate("image => [image.clientWidth, image.naturalWidth, window.devicePixelRatio]")
    until(lambda: image.evaluate("image => image.naturalWidth") == 2 * width[0], 10, f"a sharp picture, not {width}")

    def point(axes, x, y):
        part = told(page, WHERE.format(axes=axes, x=x, y=y))["at"]
        image.scroll_into_view_if_needed()
        box = image.bounding_box()
        return box["x"] + part[0] * box["width"], box["y"] + part[1] * box["height"]

    x, y = point(0, "model.plotted.series[0].x[4]", "model.plotted.series[0].y[4]")
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    tip = panel.locator(".labkit-tip").first
    until(lambda: tip.is_visible() and "Click: show this frame" in tip.inner_text(), 5, "numbers under the pointer")
    assert "reference force component" in tip.inner_text() and " frame " in tip.inner_text()
    words = tip.inner_text().splitlines()[-2]  # such as "validation frame 3, atom 1 (H), y"
    tip_box, picture = tip.bounding_box(), image.bounding_box()
    assert tip_box["x"] >= picture["x"] and tip_box["x"] + tip_box["width"] <= picture["x"] + picture["width"]
    inside = tip_box["x"] <= x <= tip_box["x"] + tip_box["width"], tip_box["y"] <= y <= tip_box["y"] + tip_box["height"]
    assert not all(inside)  # it does not hide its own point
    page.screenshot(path=artefacts / "pictures_hover.png")  # one of the panel would scroll
    page.mouse.click(x, y)
    compared = panel.locator(".labkit-compared")
    until(lambda: compared.locator(".labkit-table").count(), 20, "the frame")
    assert "reference [eV/Å]" in compared.inner_text() and words in compared.inner_text().replace("Valid", "valid")
    page.mouse.move(5, 5)
    until(lambda: not tip.is_visible(), 5, "end of the numbers")
    canvas = compared.locator("canvas:visible").first
    until(lambda: lab_page.colours(canvas.screenshot())[0] > 0.01, 20, "atoms on the canvas")
    page.wait_for_timeout(1500)
    compared.screenshot(path=artefacts / "pictures_outlier.png")

    x, y = point(2, 0.5, "sum(model.plotted.axes[2].y[:2]) / 2")
    page.mouse.click(x, y)
    until(lambda: abs(told(page, ASKED)[0] - 10**-0.3) < 0.01, 10, "the slider there")
    slider = panel.locator(".labkit-sigma-force .widget-readout").first
    until(lambda: slider.inner_text() == "0.50", 5, "its number")
    panel.screenshot(path=artefacts / "pictures_sigma.png")
    assert Image.open(io.BytesIO(image.screenshot())).width == 2 * width[0]
    assert lab_page.failures(page) == []
