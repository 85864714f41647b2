"""Notebook 06 before its exercises; then spectra grow while replicas move, controls answer, Stop ends it."""

import pandas as pd
import pytest
from browser import lab_page

until = lab_page.until

pytestmark = pytest.mark.browser

ANSWER = 0.5  # s, within which Stop answers on the screen


@pytest.fixture
def notebook(lesson):
    return lesson("06_spectra", 240)


def test_spectra_grow_and_answer(notebook, artefacts, tmp_path):
    panel = notebook.locator(".labkit").first
    panel.scroll_into_view_if_needed()
    state = panel.locator(".labkit-state")
    until(lambda: state.inner_text() == "done", 5, "state")
    picture = panel.locator("img.widget-image:visible").first
    panel.screenshot(path=artefacts / "spectra_panel.png")
    mode_moves(notebook, panel, artefacts)
    reach = notebook.locator(".jp-OutputArea-output img[width='860']")
    reach.scroll_into_view_if_needed()
    reach.screenshot(path=artefacts / "spectra_reach.png")

    panel.scroll_into_view_if_needed()
    before = picture.screenshot()
    lab_page.type_into(panel, "resolution", "300")
    until(lambda: lab_page.differ(before, picture.screenshot()) > 0.001, 10, "other resolution")
    panel.locator(".labkit-hydrogen select").select_option("D")
    lab_page.type_into(panel, "picoseconds", "20")
    panel.get_by_role("button", name="Run").click()
    until(lambda: state.inner_text().startswith("running"), 5, "running", step=0.02)
    for _ in range(2):
        changes(picture, 60, "growing spectra")
    panel.screenshot(path=artefacts / "spectra_running.png")
    seconds = lab_page.stop(notebook, panel)
    print(f"Stop answered after {seconds:.3f} s")
    assert seconds < ANSWER
    until(lambda: state.inner_text().startswith("stopped"), 10, "end of the block")
    assert panel.get_by_role("button", name="Continue").is_enabled()
    panel.get_by_role("button", name="Show code").click()
    until(lambda: "set_masses" in panel.locator("pre.labkit-code").inner_text(), 10, "script")
    panel.get_by_role("button", name="Download").click()
    link = panel.locator("a.labkit-link", has_text="infrared.csv")
    until(lambda: link.count() == 1, 20, "link")
    with notebook.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "infrared.csv")
    assert pd.read_csv(tmp_path / "infrared.csv", comment="#")["intensity"].max() > 0
    assert lab_page.failures(notebook) == []


def changes(picture, seconds, what):
    """Wait until a picture is another one."""
    before = picture.screenshot()
    until(lambda: lab_page.differ(before, picture.screenshot()) > 0.001, seconds, what)


def mode_moves(page, panel, artefacts):
    """A click on the infrared stretch: the atoms move in the mode behind it."""
    image = panel.locator(".labkit-figure img").first
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.2 * box["height"])
    view = panel.locator(".labkit-mode")
    until(lambda: view.count() and "Harmonic mode" in view.inner_text(), 10, "the mode")
    canvas = view.locator("canvas:visible").first
    until(lambda: lab_page.colours(canvas.screenshot())[0] > 0.01, 20, "atoms on the canvas")
    before = canvas.screenshot()
    until(lambda: lab_page.differ(before, canvas.screenshot()) > 0.001, 10, "moving atoms")
    view.screenshot(path=artefacts / "spectra_mode.png")
    view.locator(".widget-play button").first.click()  # pause
