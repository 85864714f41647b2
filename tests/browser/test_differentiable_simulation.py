"""Notebook 08 before its exercises; then charges from another start, stopped on the way, and taken home."""

import re

import pytest
from browser import lab_page

until = lab_page.until

pytestmark = pytest.mark.browser


@pytest.fixture
def notebook(lesson):
    return lesson("08_differentiable_simulation", 200)


def test_charges_come_back(notebook, artefacts, tmp_path):
    panel = notebook.locator(".labkit").first
    panel.scroll_into_view_if_needed()
    state = panel.locator(".labkit-state")
    until(lambda: state.inner_text() == "done", 5, "state")
    assert "best of" in panel.inner_text()
    notebook.wait_for_timeout(500)
    panel.screenshot(path=artefacts / "recover_panel.png")
    memory = notebook.locator(".jp-OutputArea-output > img, .jp-OutputArea-output .widget-image").last
    memory.scroll_into_view_if_needed()
    memory.screenshot(path=artefacts / "recover_memory.png")

    panel.scroll_into_view_if_needed()
    before = panel.locator("img.widget-image:visible").first.screenshot()
    lab_page.type_into(panel, "factor", "1.3")
    lab_page.type_into(panel, "steps", "30")
    lab_page.type_into(panel, "iterations", "60")
    panel.get_by_role("button", name="Run").click()
    until(lambda: state.inner_text().startswith("running"), 5, "running", step=0.02)
    picture = panel.locator("img.widget-image:visible").first
    until(lambda: re.search(r"best of \d+ ", panel.inner_text()), 60, "growing curves", step=0.02)
    panel.get_by_role("button", name="Stop").click()
    until(lambda: state.inner_text().startswith("stopped"), 20, "end of the evaluation")
    notebook.wait_for_timeout(500)
    assert picture.screenshot() != before
    panel.get_by_role("button", name="Show code").click()
    code = panel.locator("pre.labkit-code")
    until(lambda: code.count() and "charges.data *= 1.3" in code.inner_text(), 10, "script")
    panel.get_by_role("button", name="Download").click()
    link = panel.locator("a.labkit-link", has_text="charges.csv")
    until(lambda: link.count() == 1, 20, "link")
    panel.screenshot(path=artefacts / "recover_stopped.png")
    with notebook.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "charges.csv")
    rows = (tmp_path / "charges.csv").read_text().splitlines()
    assert rows[0].startswith("loss,") and len(rows) > 1
