"""Pictures of all panels, to be looked at: artefacts/panels/NAME_*.png, and what must hold in each of them.

Each panel has run; it is seen in both themes, on a laptop 1280 pixels wide, and there at 150 %.
"""

import io
import re

import nbformat
import numpy as np
import pytest
from browser import lab_page
from browser.test_for_everyone import CUT
from panels.test_scripts import MAKERS
from PIL import Image

until = lab_page.until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]

SETUP = """import sys, tempfile
from pathlib import Path
sys.path[:0] = {paths}
from panels import test_scripts as makers
made = []
def ready(maker):
    panel = maker(Path(tempfile.mkdtemp()))[0]
    if maker is makers.spectra:
        panel.model.picoseconds = 0.12  # long enough to be shown
    panel.run()
    panel.job.wait(100)
    panel.settle()
    made.append(panel)
    return panel"""
OTHERS = {
    "structure": 'StructurePanel(labkit.datasets.ice("train", n=50)[:3], "Ice")',
    "tray": "RunTray()",
    "curves": 'Curves({"a": ([0, 1, 2], [0, 1, 4]), "b": ([0, 1, 2], [0, 2, 3])}, "r [Å]", "energy [eV]")',
    "movie": "falling_movie(torch.arange(4.0) * 1e6, 40 * torch.sin(torch.arange(96.0)).view(4, 8, 3), radius=10.0)",
}
IMPORTS = """import labkit, torch
from labkit.panels import Curves, RunTray, StructurePanel
from labkit.panels.mobility_figures import falling_movie"""
TALL = 1700  # pixels, for all of a panel at once
PICTURES = "img.widget-image:visible, img.labkit-plot:visible, .labkit-atoms canvas:visible"
#: fields whose text is wider than they are, and tables that have to be scrolled
NARROW = """part => [...part.querySelectorAll('input[type=text], .widget-html-content:has(> table)')]
    .filter(one => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1)
    .map(one => `${one.getAttribute('aria-label') ?? one.innerText.slice(0, 30)}: ${one.value ?? ''}`)"""
NAMELESS = """part => [...part.querySelectorAll('img')].filter(one => one.checkVisibility() && !one.alt).length"""


@pytest.fixture
def gallery(lab, page, tmp_path, repository):
    """A page with one panel in each cell, all run; and the names of the cells."""
    shown = {make.__name__: f"ready(makers.{make.__name__})" for make in MAKERS} | OTHERS
    setup = SETUP.format(paths=[str(repository), str(repository / "tests")])
    cells = [nbformat.v4.new_code_cell(cell) for cell in (setup, IMPORTS, *shown.values())]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, tmp_path / "notebooks" / "gallery.ipynb")
    lab_page.open_lab(page, lab.replace("00_start_here", "gallery"))
    lab_page.run_all(page)
    until(lambda: all(re.match(r"\[\d+\]", text) for text in lab_page.prompts(page)), 400, "end of the last cell")
    assert lab_page.failures(page) == []
    yield page, list(shown)
    lab_page.end_kernels(page)


def test_all_panels_can_be_looked_at(gallery, artefacts):
    page, names = gallery
    folder = artefacts / "panels"
    folder.mkdir(exist_ok=True)
    wrong = []
    for kind, width in {"light": 1400, "1280": 1280, "150": 853}.items():
        page.set_viewport_size({"width": width, "height": TALL})
        wrong += look(page, names, folder, kind)
    page.set_viewport_size({"width": 1400, "height": TALL})
    lab_page.dark_theme(page)
    wrong += look(page, names, folder, "dark")
    assert not wrong, "\n".join(wrong)


def look(page, names, folder, kind):
    """Keep a picture of every cell's output; return what is wrong with it."""
    page.wait_for_timeout(1500)
    wrong = []
    for k, name in enumerate(names):
        cell = page.locator(".jp-NotebookPanel:visible .jp-CodeCell").nth(k + 2)
        cell.scroll_into_view_if_needed()
        part = cell.locator(".jp-OutputArea").first
        part.scroll_into_view_if_needed()
        seen = part.locator(PICTURES)
        page.wait_for_timeout(500)
        part.screenshot(path=folder / f"{name}_{kind}.png")
        if part.locator(".labkit-error").count():
            wrong.append(f"{name}, {kind}: {part.locator('.labkit-error').first.inner_text()}")
        cards = part.locator(".labkit:visible")
        cut = [found for card in cards.all() for found in card.evaluate(CUT)]
        wrong += [f"{name}, {kind}: cut off: {found}" for found in cut]
        wrong += [f"{name}, {kind}: too narrow for {found}" for found in part.evaluate(NARROW)]
        wrong += [f"{name}, {kind}: a picture without words"] * part.evaluate(NAMELESS)
        if not seen.count() and name != "tray":
            wrong.append(f"{name}, {kind}: no picture")
        for n in range(seen.count() if kind == "dark" else 0):
            light = np.median(paper(seen.nth(n).screenshot()))
            wrong += [f"{name}: picture {n} is a white slab, {light:.0f}"] if light > 60 else []
    return wrong


def paper(png):
    """The colours beside what a picture shows: those of its left edge, without the rounded corners."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))[12:-12, 1:6].astype(int)
