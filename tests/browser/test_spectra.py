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
