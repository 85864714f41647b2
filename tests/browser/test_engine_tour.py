"""Notebook 07 before its exercises; then a finer ladder of timesteps, stopped, run to its end, and taken home."""

import re

import numpy as np
import pytest
from browser import lab_page

until = lab_page.until

pytestmark = pytest.mark.browser


@pytest.fixture
def notebook(lesson):
    return lesson("07_engine_tour", 240)


def test_timesteps_live(notebook, artefacts, tmp_path):
    notebook.locator(".jp-OutputArea-output table").first.scroll_into_view_if_needed()
    notebook.wait_for_timeout(1000)
    notebook.screenshot(path=artefacts / "tour_tables.png")
    for number, name in enumerate(("tour_scaling", "tour_exchange")):
        picture = notebook.locator(".jp-OutputArea-output img[width='760']").nth(number)
        picture.scroll_into_view_if_needed()
        picture.screenshot(path=artefacts / f"{name}.png")
    panel = notebook.locator(".labkit").first
    panel.scroll_into_view_if_needed()
    state = panel.locator(".labkit-state")
    until(lambda: state.inner_text() == "done", 5, "state")
    assert "blows up" in panel.inner_text()
    before = panel.locator("img").screenshot()

    lab_page.type_into(panel, "time", "2000")
    panel.get_by_role("button", name="Run").click()
    until(lambda: re.match(r"running · \d+%", state.inner_text()), 10, "progress")
    notebook.wait_for_timeout(1000)
    panel.get_by_role("button", name="Stop").click()
    until(lambda: state.inner_text().startswith("stopped"), 10, "end of the block")

    lab_page.type_into(panel, "smallest", "1")
    lab_page.type_into(panel, "largest", "8")
    lab_page.type_into(panel, "count", "4")
    lab_page.type_into(panel, "time", "200")
    panel.get_by_role("button", name="Run").click()
    until(lambda: state.inner_text() == "done" and "With 4 fs it blows up" in panel.inner_text(), 60, "end")
    notebook.wait_for_timeout(500)
    after = panel.locator("img").screenshot()
    assert not np.array_equal(lab_page.pixels(before), lab_page.pixels(after))
    panel.get_by_role("button", name="Show code").click()
    until(lambda: "[1.0, 2.0, 4.0, 8.0]" in panel.locator("pre.labkit-code").inner_text(), 10, "script")
    panel.get_by_role("button", name="Download").click()
    link = panel.locator("a.labkit-link", has_text="timesteps.csv")
    until(lambda: link.count() == 1, 20, "link")
    with notebook.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "timesteps.csv")
    assert (tmp_path / "timesteps.csv").read_text().startswith("dt_fs,error_meV_per_atom")
    panel.screenshot(path=artefacts / "tour_panel.png")
