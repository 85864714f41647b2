"""Notebook 10 before its exercises; then σ is rescaled, and an atom looked at, on the page."""

import re

import pytest
from browser import lab_page

until = lab_page.until

pytestmark = pytest.mark.browser


@pytest.fixture
def notebook(lesson):
    return lesson("10_uncertainty", 420)


def test_sigma_is_rescaled_on_the_page(notebook, artefacts):
    see_the_uncertain_atom(notebook, artefacts)
    panel = notebook.locator(".labkit").filter(has_text="How far can a σ be trusted?").first
    panel.scroll_into_view_if_needed()
    state = panel.locator(".labkit-state")
    until(lambda: state.inner_text() == "done", 5, "state")
    until(lambda: "σ' = 0." in panel.inner_text(), 10, "the factor found by the notebook")
    panel.screenshot(path=artefacts / "uncertainty_one_factor.png")
    good = area(panel)
    choose(panel, "labkit-rescaling", "none")
    until(lambda: area(panel) > 3 * good, 10, "the area without rescaling")
    choose(panel, "labkit-rescaling", "by hand")
    lab_page.type_into(panel, "factor", "0.47")
    until(lambda: area(panel) < 2 * good, 10, "the area by hand")
    choose(panel, "labkit-kind", "GAP: nearest environments")
    choose(panel, "labkit-rescaling", "none")
    until(lambda: "only a rescaling makes it an error" in panel.inner_text(), 10, "a score")
    panel.screenshot(path=artefacts / "uncertainty_score.png")
    choose(panel, "labkit-rescaling", "isotonic")
    choose(panel, "labkit-on", "test frames")
    until(lambda: "knots" in panel.inner_text(), 10, "isotonic")
    click_an_atom(panel)
    until(lambda: re.search(r"Frame \d+, atom \d+ \((H|O)\)", panel.inner_text()), 10, "the atom in words")
    until(lambda: panel.locator("canvas:visible").count() == 1, 20, "its cell")
    notebook.wait_for_timeout(3000)
    panel.screenshot(path=artefacts / "uncertainty_atom.png")
    click_an_atom(panel, 0.6)
    notebook.wait_for_timeout(2000)
    assert panel.locator(".labkit-error").count() == 0
    panel.screenshot(path=artefacts / "uncertainty_another_atom.png")


def see_the_uncertain_atom(notebook, artefacts):
    view = notebook.locator(".labkit").filter(has=notebook.locator("canvas")).last
    view.scroll_into_view_if_needed()
    notebook.wait_for_timeout(4000)
    picture = view.screenshot(path=artefacts / "uncertainty_cell.png")
    r, g, b = lab_page.pixels(picture).T
    assert int(((r > 1.5 * g) & (r > 1.5 * b) & (r > 70)).sum()) > 30  # the dark atom


def choose(panel, css, option):
    panel.locator(f".{css} select").select_option(option)


def area(panel):
    """The miscalibration area that the table tells."""
    found = re.search(r"miscalibration area\s+([\d.]+)", panel.inner_text())
    return float(found.group(1)) if found else float("nan")


def click_an_atom(panel, where=0.45):
    """Click in the left picture until a point is hit."""
    image = panel.locator(".labkit-figure img").first
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    for down in range(20, 75, 4):
        image.click(position={"x": where * 0.55 * box["width"] + 40, "y": down / 100 * box["height"]})
        panel.page.wait_for_timeout(150)
        if re.search(r"Frame \d+, atom \d+ \(", panel.inner_text()):
            return
