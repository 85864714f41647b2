"""Notebook 02 before its exercises; then a guess by mouse, a curve, its guess locked beside the truth."""

import numpy as np
import pytest
from browser import lab_page

until = lab_page.until

pytestmark = pytest.mark.browser


@pytest.fixture
def notebook(lesson):
    return lesson("02_learning_curve", 150)


def test_guess_run_and_see(notebook, artefacts):
    panel = notebook.locator(".labkit").first
    panel.scroll_into_view_if_needed()
    state = panel.locator(".labkit-state")
    until(lambda: state.inner_text() == "done", 5, "state")
    slider = panel.locator(".labkit-guess-forces")
    until(lambda: "mod-disabled" in slider.get_attribute("class") or slider.locator("[disabled]").count(), 5, "lock")
    before = panel.locator("img").screenshot(path=artefacts / "learning_before.png")
    type_into(panel, "n-sparse", "40")  # other settings: the guess is free again
    type_into(panel, "guess-forces", "30")
    panel.get_by_role("button", name="Run").click()
    until(lambda: "you expected 30 meV/Å at 400 frames" in panel.inner_text(), 60, "verdict")
    until(lambda: state.inner_text() == "done", 60, "end")
    notebook.wait_for_timeout(500)
    after = panel.locator("img").screenshot(path=artefacts / "learning_after.png")
    assert not np.array_equal(lab_page.pixels(before), lab_page.pixels(after))
    panel.screenshot(path=artefacts / "learning_panel.png")


def type_into(panel, name, value):
    field = panel.locator(f".labkit-{name} input[type=text]")
    if not field.is_visible():
        panel.get_by_role("button", name="Settings", exact=True).click()
        field.wait_for(state="visible")
    lab_page.type_into(panel, name, value)
