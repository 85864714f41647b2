"""The live view: nothing is cut off, it shows the side that the picture shows, and it stays so over a reload."""

import nbformat
import pytest
from browser import lab_page

until = lab_page.until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SETUP = """import labkit
from ase.build import molecule
from labkit.panels import StructurePanel
water = molecule("H2O")
torn = water.copy()
torn.positions[1] += [0, 3, 0]"""
CELLS = (
    "StructurePanel(molecule('C6H6'), 'Benzene')",
    "StructurePanel(labkit.datasets.ice('train', n=50), 'Ice')",
    "StructurePanel([water, torn], 'Torn')",
)


def dark(png):
    """The part of pixels that are grey, as carbon is."""
    pixels = lab_page.pixels(png)
    return float(((pixels.max(1) < 170) & (pixels.max(1) - pixels.min(1) < 20)).mean())


def reds(png):
    """Where oxygen is on the picture: the mean place of red pixels across it, from 0 to 1, and their number."""
    import io

    import numpy as np
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    red = (pixels[..., 0] > 140) & (pixels[..., 1:].max(2) < 60)
    return float(np.nonzero(red)[1].mean() / red.shape[1]) if red.any() else 0.0, int(red.sum())


def zoom(page, canvas, notches):
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(abs(notches)):
        page.mouse.wheel(0, -100 if notches > 0 else 100)
        page.wait_for_timeout(100)
    page.wait_for_timeout(500)


def card(page, name):
    found = page.locator(".labkit", has_text=name)
    found.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    canvas = found.locator("canvas:visible").first
    until(lambda: lab_page.colours(canvas.screenshot())[0] > 0.005, 15, f"atoms of {name}")
    return found, canvas


def test_live_view(lab, page, tmp_path, artefacts):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(cell) for cell in (SETUP, *CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, tmp_path / "notebooks" / "viewer.ipynb")
    address = lab.replace("00_start_here", "viewer")
    lab_page.open_lab(page, address)
    lab_page.run_all(page)
    until(lambda: page.locator(".labkit canvas:visible").count(), 40, "live view")

    _, canvas = card(page, "Benzene")  # without a zoom
    until(lambda: dark(canvas.screenshot()) > 0.01, 10, "carbon")
    zoom(page, canvas, 5)
    assert dark(canvas.screenshot(path=artefacts / "viewer_benzene.png")) > 0.02

    ice, canvas = card(page, "Ice")
    page.wait_for_timeout(2000)
    zoom(page, canvas, 5)
    black = (lab_page.pixels(canvas.screenshot(path=artefacts / "viewer_zoomed.png")).max(1) < 20).mean()
    assert black < 0.001 and reds(canvas.screenshot())[1] > 500  # the inside of an atom that is cut open is black
    zoom(page, canvas, -5)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 420, box["y"] + 130, steps=6)
    page.mouse.up()
    page.wait_for_timeout(1500)
    live = canvas.screenshot(path=artefacts / "viewer_turned.png")
    ice.get_by_role("button", name="Picture").click()
    image = ice.locator("img:visible").first
    until(lambda: image.count() and lab_page.colours(image.screenshot())[0] > 0.02, 10, "still picture")
    page.wait_for_timeout(500)
    still = reds(image.screenshot(path=artefacts / "viewer_still.png"))[0]
    assert abs(still - reds(live)[0]) < 0.1
    ice.get_by_role("button", name="Picture").click()

    lab_page.type_cell(page, "import ipywidgets")
    page.keyboard.press("Control+s")
    page.wait_for_timeout(1000)
    lab_page.open_lab(page, address)
    _, canvas = card(page, "Ice")
    until(lambda: lab_page.differ(live, canvas.screenshot()) < 0.02, 20, "the same orientation after a reload")

    torn, canvas = card(page, "Torn")
    before = canvas.screenshot(path=artefacts / "viewer_whole.png")
    torn.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    until(lambda: lab_page.differ(before, canvas.screenshot()) > 0.002, 10, "other frame")
    page.wait_for_timeout(1000)
    alone = canvas.screenshot(path=artefacts / "viewer_torn.png")
    assert columns_between(alone) > 5  # a gap of white between the atom that is gone and the rest


def columns_between(png):
    """Empty columns between the first and the last that show something."""
    import io

    import numpy as np
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    drawn = np.nonzero((pixels.min(2) < 235).sum(0) > 1)[0]
    inner = drawn[(drawn > 10) & (drawn < pixels.shape[1] - 60)]
    return int(np.diff(inner).max() - 1)
