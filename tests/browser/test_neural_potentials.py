"""Notebook 09 before its exercises; then a network is trained, stopped, continued and cooled down on the page."""

import re

import pytest
from browser import lab_page

from labkit.neural import NeuralPotential

until = lab_page.until

pytestmark = pytest.mark.browser


@pytest.fixture
def notebook(lesson):
    return lesson("09_neural_potentials", 420)


def test_a_network_learns_on_the_page(notebook, artefacts, tmp_path):
    crystal = notebook.locator(".labkit").filter(has=notebook.locator("canvas")).first
    crystal.scroll_into_view_if_needed()
    notebook.wait_for_timeout(4000)
    picture = crystal.screenshot(path=artefacts / "neural_receptive_field.png")
    assert orange(picture) > 100  # neighbours of the chosen atom, as in the picture
    panel = notebook.locator(".labkit").first
    panel.scroll_into_view_if_needed()
    state = panel.locator(".labkit-state")
    until(lambda: state.inner_text() == "done", 5, "state")
    panel.screenshot(path=artefacts / "neural_panel.png")
    take_home(notebook, panel, tmp_path)

    panel.get_by_text("Advanced").first.click()
    for name, value in {"steps": "3000", "channels": "16"}.items():
        lab_page.type_into(panel, name, value)
    panel.get_by_role("button", name="Run").click()
    until(lambda: re.search(r"RMSE after \d+ steps", panel.inner_text()), 10, "first errors")
    first = until(lambda: steps(panel) < 3000 and steps(panel), 20, "steps of the new run")
    until(lambda: steps(panel) > first + 20, 40, "more steps")
    seconds = lab_page.stop(notebook, panel)
    print(f"Stop answered after {seconds:.3f} s")
    assert seconds < 0.5
    until(lambda: state.inner_text().startswith("stopped"), 15, "end of the step")
    stopped = steps(panel)
    panel.get_by_role("button", name="Continue").click()
    until(lambda: steps(panel) > stopped, 20, "steps after Continue")
    cool = panel.get_by_role("button", name="Cool down now")
    cool.click()
    until(cool.is_disabled, 5, "falling rate")
    panel.screenshot(path=artefacts / "neural_cooling.png")
    lab_page.stop(notebook, panel)
    until(lambda: state.inner_text().startswith("stopped") or state.inner_text() == "done", 20, "end")


def steps(panel):
    """The number of steps that the table tells."""
    found = re.search(r"RMSE after (\d+) steps", panel.inner_text())
    return int(found.group(1)) if found else 0


def take_home(page, panel, folder):
    panel.get_by_role("button", name="Show code").click()
    code = panel.locator("pre.labkit-code")
    until(lambda: code.count() and "plan=Plan(" in code.inner_text(), 10, "script")
    panel.get_by_role("button", name="Download").click()
    link = panel.locator("a.labkit-link", has_text="neural.safetensors")
    until(lambda: link.count() == 1, 10, "link")
    with page.expect_download() as download:
        link.click()
    download.value.save_as(folder / "neural.safetensors")
    assert NeuralPotential.load(folder / "neural.safetensors").cutoff == 4.0


def orange(png):
    """Pixels of the colour of the first shell, in any light."""
    r, g, b = lab_page.pixels(png).T
    return int(((r > 1.3 * g) & (g > 1.5 * b) & (r > 90)).sum())
