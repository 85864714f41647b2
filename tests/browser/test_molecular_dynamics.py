"""Notebook 04 before its exercises; then atoms move, a slider is turned meanwhile, and a large timestep explodes."""

import re

import ase.io
import pytest
from browser import lab_page

until = lab_page.until

pytestmark = pytest.mark.browser

ANSWER = 0.5  # s, within which Stop answers on the screen


@pytest.fixture
def notebook(lesson):
    return lesson("04_molecular_dynamics", 150)


def test_atoms_move_and_answer(notebook, artefacts, tmp_path):
    panel = notebook.locator(".labkit").first
    panel.scroll_into_view_if_needed()
    state = panel.locator(".labkit-state")
    until(lambda: state.inner_text() == "done", 5, "state")
    canvas = panel.locator("canvas:visible").first
    until(lambda: lab_page.colours(canvas.screenshot())[0] > 0.01, 10, "atoms on the canvas")
    notebook.wait_for_timeout(2000)
    panel.screenshot(path=artefacts / "dynamics_panel.png")
    curves = notebook.locator(".jp-OutputArea-output img[width='640']")
    curves.scroll_into_view_if_needed()
    curves.screenshot(path=artefacts / "dynamics_rdf.png")

    panel.scroll_into_view_if_needed()
    choose(panel, "ensemble", "NVT, Langevin")
    choose(panel, "potential", "no stresses")
    lab_page.type_into(panel, "steps", "20000")
    panel.get_by_role("button", name="Run").click()
    until(lambda: state.inner_text().startswith("running"), 2, "running", step=0.02)
    atoms, picture = panel.locator("canvas:visible").first, panel.locator("img.widget-image:visible").first
    before = atoms.screenshot(), picture.screenshot()
    until(lambda: lab_page.differ(before[0], atoms.screenshot()) > 0.001, 20, "moving atoms")
    until(lambda: lab_page.differ(before[1], picture.screenshot()) > 0.001, 10, "growing curves")
    lab_page.type_into(panel, "temperature", "800")
    notebook.wait_for_timeout(4000)
    notebook.screenshot(path=artefacts / "dynamics_running.png")
    lab_page.type_cell(notebook, "print(panel.log['target_K'].iloc[-1])")
    until(lambda: notebook.locator(".jp-OutputArea-output", has_text=re.compile(r"^800\.0")).count(), 10, "800 K")
    for while_a_cell_runs in (False, True):
        if while_a_cell_runs:
            panel.get_by_role("button", name="Continue").click()
            until(lambda: state.inner_text().startswith("running"), 2, "running", step=0.02)
            lab_page.type_cell(notebook, "import time; time.sleep(8)")
            until(lambda: "[*]:" in lab_page.prompts(notebook), 5, "busy cell")
        panel.scroll_into_view_if_needed()
        seconds = lab_page.stop(notebook, panel)
        print(f"Stop answered after {seconds:.3f} s" + ", while a cell ran" * while_a_cell_runs)
        assert seconds < ANSWER
        until(lambda: state.inner_text().startswith("stopped"), 10, "end of the block")
        assert ("[*]:" in lab_page.prompts(notebook)) == while_a_cell_runs
    until(lambda: "[*]:" not in lab_page.prompts(notebook), 20, "end of the cell")
    take_home(notebook, panel, tmp_path)
    explode(notebook, panel, artefacts)


def explode(page, panel, artefacts):
    choose(panel, "ensemble", "NVE")
    lab_page.type_into(panel, "dt", "5")
    panel.get_by_role("button", name="Run").click()
    error = panel.locator(".labkit-error").first
    until(lambda: error.count() and "timestep is too large" in error.inner_text(), 30, "sentence in red")
    page.wait_for_timeout(1000)
    panel.screenshot(path=artefacts / "dynamics_exploded.png")


def take_home(page, panel, folder):
    panel.get_by_role("button", name="Show code").click()
    code = panel.locator("pre.labkit-code")
    until(lambda: code.count() and "Langevin(temperature=800.0" in code.inner_text(), 10, "script")
    panel.get_by_role("button", name="Download").click()
    link = panel.locator("a.labkit-link", has_text="run.extxyz")
    until(lambda: link.count() == 1, 20, "link")
    with page.expect_download() as download:
        link.click()
    download.value.save_as(folder / "run.extxyz")
    assert len(ase.io.read(folder / "run.extxyz", ":")) > 1
    for name in ("Download", "Show code"):
        panel.get_by_role("button", name=name).click()


def choose(panel, name, value):
    panel.locator(f".labkit-{name} select").select_option(value)
