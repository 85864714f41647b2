"""What remains of panels when their kernel is gone: stills in the notebook and in HTML, and results that come back."""

import re
import subprocess
import sys

import nbformat
import pytest
from browser import lab_page

until = lab_page.until

pytestmark = pytest.mark.browser

SETUP = """import labkit
from labkit.gap import GapConfig, Soap
from labkit.panels import StructurePanel, TrainPanel
train, valid = labkit.datasets.ice("train", n=50)[:20], labkit.datasets.ice("valid")[:5]"""
TRAIN = "TrainPanel(train, valid, GapConfig(Soap(n_max=3, l_max=2, n_sparse=20)))"
LARGEST = 1_000_000  # bytes of a saved notebook


@pytest.fixture
def lab_session(tmp_path, monkeypatch):
    """Before the server starts: what panels keep is this test's own."""
    monkeypatch.setenv("LABKIT_SESSION", str(tmp_path / "session"))


def write(path, *cells):
    made = [nbformat.v4.new_code_cell(cell) for cell in cells]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel}), path)
    return path


def broken_chains(page):
    """Marks of lost widgets that can be seen."""
    return page.locator(".jupyter-widgets-disconnected:visible").count()


def restart(page):
    page.locator(".lm-MenuBar-itemLabel", has_text="Kernel").first.click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Restart Kernel…$")).first.click()
    page.locator(".jp-Dialog button", has_text="Restart").last.click()


def run_cell(page, number):
    page.locator(".jp-NotebookPanel:visible .jp-CodeCell").nth(number).locator(".jp-InputPrompt").click()
    page.keyboard.press("Shift+Enter")


@pytest.mark.slow
def test_panels_come_back(lab_session, lab, page, tmp_path, artefacts):
    path = write(tmp_path / "notebooks" / "stills.ipynb", SETUP, TRAIN, 'StructurePanel(train, "Ice")')
    lab_page.open_lab(page, lab.replace("00_start_here", "stills"))
    lab_page.run_all(page)
    panel = page.locator(".labkit", has_text="Train a Gaussian")
    saved = page.locator(".labkit-saved:visible")
    panel.get_by_role("button", name="Run").click()
    until(lambda: panel.locator(".labkit-state").inner_text() == "done", 30, "trained model")
    page.wait_for_timeout(1500)
    assert saved.count() == 0 and lab_page.failures(page) == []
    page.screenshot(path=artefacts / "stills_live.png")

    restart(page)
    until(lambda: saved.count() == 2, 15, "stills in place of the panels")
    assert broken_chains(page) == 0 and page.locator(".labkit:visible").count() == 0
    look(saved, artefacts / "stills_restarted.png", page)

    until(lambda: lab_page.kernel_states(page) == ["idle"], 60, "new kernel")
    for number in (0, 1):
        run_cell(page, number)
    until(lambda: page.locator(".labkit:visible img.widget-image:visible").count(), 30, "last results")
    assert "kept from before" in panel.inner_text() and saved.count() == 1  # of the structure, whose cell was not run
    page.screenshot(path=artefacts / "stills_back.png")
    lab_page.type_cell(page, "import os; os.kill(os.getpid(), 9)")
    page.locator(".jp-Dialog button", has_text="Ok").last.click()  # it has died, and was started again
    until(lambda: saved.count() == 2, 15, "stills of a kernel that has died")

    page.keyboard.press("Control+s")
    until(lambda: "labkit-saved" in path.read_text(), 10, "saved notebook")
    assert path.stat().st_size < LARGEST
    lab_page.end_kernels(page)
    page.goto("about:blank")
    lab_page.open_lab(page, lab.replace("00_start_here", "stills").replace("/lab/tree/", "/lab/workspaces/again/tree/"))
    until(lambda: saved.count() == 2, 15, "stills of the notebook that was opened again")
    page.wait_for_timeout(3000)  # after which widgets are given up
    assert page.locator(".jp-OutputArea-output:visible", has_text="model not found").count() == 0
    look(saved, artefacts / "stills_reopened.png", page)


def look(saved, path, page):
    """Both cards are there, with pictures that are drawn."""
    text = " ".join(saved.all_text_contents())
    assert "RMSE after 20 frames" in text and "training frames 20" in text and "(H₂O)₄" in text
    assert text.count("run this cell again") == 2
    widths = saved.locator("img").evaluate_all("all => all.map(one => one.naturalWidth)")
    assert len(widths) == 2 and min(widths) > 300
    page.screenshot(path=path)


@pytest.mark.slow
def test_html_without_a_network(browser, tmp_path, artefacts):
    cells = (f"panel = {TRAIN}\npanel.run()\npanel", 'StructurePanel(train, "Ice")', "labkit.finish()")
    path = write(tmp_path / "panels.ipynb", SETUP, *cells)
    run = [sys.executable, "-m", "labkit", "run", str(path), "--out", str(tmp_path / "out")]
    subprocess.run(run, check=True, timeout=120)  # another process: Playwright has an event loop in this one
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto((tmp_path / "out" / "panels.html").as_uri())
    look(page.locator(".labkit-saved:visible"), artefacts / "stills_html.png", page)
    assert page.locator("text=model not found").count() == 0
    context.close()
