"""Notebook 15 before its exercises; then pairs come in while it runs, the lag answers, and Stop works."""

import re

import pytest
from browser import lab_page

until = lab_page.until

pytestmark = pytest.mark.browser


@pytest.fixture
def notebook(lesson):
    return lesson("15_learned_dynamics", 200)


def test_an_estimate_appears_while_it_runs(notebook, artefacts, tmp_path):
    for number, name in enumerate(("learned", "falling", "heights")):
        picture = notebook.locator(".jp-OutputArea-output img[width='760']").nth(number)
        picture.scroll_into_view_if_needed()
        picture.screenshot(path=artefacts / f"mobility_{name}.png")
    panel = notebook.locator(".labkit").first
    panel.scroll_into_view_if_needed()
    state, picture = panel.locator(".labkit-state"), panel.locator("img.widget-image:visible").first
    until(lambda: state.inner_text() == "done", 5, "state")
    panel.screenshot(path=artefacts / "mobility_panel.png")
    before = picture.screenshot()
    panel.locator(".labkit-lag select").select_option("20")
    until(lambda: changed(before, picture.screenshot()), 15, "estimate at another lag")

    lab_page.type_into(panel, "releases", "50000")
    panel.get_by_role("button", name="Run").click()
    until(lambda: re.match(r"running · \d+%", state.inner_text()), 10, "progress")
    first = until(lambda: pairs(panel), 20, "first pairs")
    until(lambda: pairs(panel) > first, 20, "more pairs")
    seconds = lab_page.stop(notebook, panel)
    print(f"Stop answered after {seconds:.3f} s")
    assert seconds < 0.5
    until(lambda: state.inner_text().startswith("stopped"), 15, "end of the flash")
    assert 0 < pairs(panel) < 50_000
    panel.get_by_role("button", name="Download").click()
    link = panel.locator("a.labkit-link", has_text="mobility.csv")
    until(lambda: link.count() == 1, 20, "link")
    with notebook.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "mobility.csv")
    assert (tmp_path / "mobility.csv").read_text().startswith("lag_fs,distance_A")
    panel.locator(".labkit-way select").select_option("active: pushed")
    panel.get_by_role("button", name="Continue").click()
    error = panel.locator(".labkit-error").first
    until(lambda: error.count() and "experiment have changed" in error.inner_text(), 10, "sentence in red")


def pairs(panel):
    """Number of pairs in the table, 0 while there is none."""
    cells = panel.locator("table.labkit-table td")
    return int(cells.first.inner_text()) if cells.count() else 0


def changed(one, other):
    a, b = lab_page.pixels(one), lab_page.pixels(other)
    return a.shape != b.shape or float((abs(a - b).sum(1) > 60).mean()) > 0.001
