"""Notebook 06 in a browser: run whole; then spectra grow while replicas move, controls answer, Stop ends it."""

import pandas as pd
import pytest
from browser import lab_page

until = lab_page.until

pytestmark = pytest.mark.browser

ANSWER = 0.5  # s, within which Stop answers on the screen


@pytest.fixture
def notebook(lab, page):
    return lab_page.run_notebook(page, lab.replace("00_start_here", "06_spectra"), 240)


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
    type_into(panel, "resolution", "300")
    until(lambda: differ(before, picture.screenshot()) > 0.001, 10, "other resolution")
    panel.locator(".labkit-hydrogen select").select_option("D")
    type_into(panel, "picoseconds", "20")
    panel.get_by_role("button", name="Run").click()
    until(lambda: state.inner_text().startswith("running"), 5, "running", step=0.02)
    for _ in range(2):
        changes(picture, 60, "growing spectra")
    panel.screenshot(path=artefacts / "spectra_running.png")
    seconds = stop(notebook, panel)
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
    until(lambda: differ(before, picture.screenshot()) > 0.001, seconds, what)


def differ(one, other):
    """The part of pixels that are not the same."""
    a, b = lab_page.pixels(one), lab_page.pixels(other)
    return float((abs(a - b).sum(1) > 60).mean()) if a.shape == b.shape else 0.0


def type_into(panel, name, value):
    field = panel.locator(f".labkit-{name} .widget-readout")
    field.click()
    field.press("Control+a")
    field.type(value)
    field.press("Enter")


def stop(page, panel):
    """Press Stop; return the seconds until the screen says so, measured in the page."""
    button = panel.get_by_role("button", name="Stop").element_handle()
    return page.evaluate(
        """([panel, button]) => new Promise(resolve => {
            const start = performance.now();
            const look = () => /stopp/.test(panel.querySelector('.labkit-state').textContent)
                ? resolve((performance.now() - start) / 1000) : setTimeout(look, 5);
            button.click();
            look();
        })""",
        [panel.element_handle(), button],
    )
