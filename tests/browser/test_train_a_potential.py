"""The second notebook before its exercises; then its panel is used as a person would, also while a cell runs."""

import re

import pytest
from browser import lab_page

from labkit.gap import GapConfig, GapModel

until = lab_page.until

pytestmark = pytest.mark.browser

ANSWER = 0.5  # s, within which Stop answers on the screen


@pytest.fixture
def notebook(lesson):
    return lesson("01_train_a_potential", 90)


def test_panel_runs_stops_complains_and_gives_away_what_it_has(notebook, artefacts, tmp_path):
    panel = notebook.locator(".labkit").first
    panel.scroll_into_view_if_needed()
    state = panel.locator(".labkit-state")
    until(lambda: state.inner_text() == "done", 5, "state")

    take_home(notebook, panel, tmp_path)
    typed_numbers_are_kept_or_refused(panel, artefacts)
    one_run(panel, artefacts)
    settings(panel, n_max=10, l_max=8, n_sparse=400)  # long enough to be stopped
    notebook.screenshot(path=artefacts / "panel_open.png")
    for while_a_cell_runs in (False, True):
        if while_a_cell_runs:
            lab_page.type_cell(notebook, "import time; time.sleep(12)")
            until(lambda: "[*]:" in lab_page.prompts(notebook), 5, "busy cell")
            panel.scroll_into_view_if_needed()
        panel.get_by_role("button", name="Run").click()
        until(lambda: state.inner_text().startswith("running"), ANSWER, "running", step=0.02)
        until(lambda: re.search(r"[1-9]\d? ?%", state.inner_text()), 20, "progress", step=0.02)
        notebook.screenshot(path=artefacts / f"running{'_while_a_cell_runs' * while_a_cell_runs}.png")
        seconds = lab_page.stop(notebook, panel)
        print(f"Stop answered after {seconds:.3f} s" + ", while a cell ran" * while_a_cell_runs)
        assert seconds < ANSWER
        until(lambda: state.inner_text().startswith("stopped"), 10, "end of the block")
        assert ("[*]:" in lab_page.prompts(notebook)) == while_a_cell_runs
    frames = int(re.search(r"RMSE after (\d+) frames", panel.inner_text()).group(1))
    assert 0 < frames < 50  # the partial result stays on the screen
    panel.screenshot(path=artefacts / "stopped.png")
    # while a cell runs, the front end may hold a number back although a click passes: wait for the cell's end
    until(lambda: "[*]:" not in lab_page.prompts(notebook), 20, "end of the cell")
    said_in_red(panel, artefacts)


def typed_numbers_are_kept_or_refused(panel, artefacts):
    """Decimal commas, values between steps and beyond the slider; what is refused stands in red and does not run."""
    field = panel.locator(".labkit-cutoff input[type=text]")
    wrong = panel.locator(".labkit-cutoff .labkit-error")
    for typed, shown in {"3,45": "3.45", "6.5": "6.5", "3 Å": "3"}.items():
        lab_page.type_into(panel, "cutoff", typed)
        until(lambda shown=shown: field.input_value() == shown, 3, shown)
        assert wrong.count() == 0
    for typed, words in {"100": "100 Å is out of range", "1,500": "1,500 may mean 1.5 or 1500"}.items():
        lab_page.type_into(panel, "cutoff", typed)
        until(lambda words=words: wrong.count() and words in wrong.inner_text(), 3, words)
        assert field.input_value() == typed
    panel.screenshot(path=artefacts / "refused.png")
    panel.get_by_role("button", name="Run").click()
    until(lambda: panel.locator(".labkit-error").count() >= 2, 3, "sentence above the panel")
    assert panel.locator(".labkit-state").inner_text() == "done"
    lab_page.type_into(panel, "cutoff", "3")
    until(lambda: wrong.count() == 0, 3, "end of the sentence")
    drag_shows_the_number(panel, artefacts)


def drag_shows_the_number(panel, artefacts):
    """While a slider is dragged its number is in the place of the field; then the field has it."""
    box, page = panel.locator(".labkit-n-max .noUi-handle").bounding_box(), panel.page
    readout = panel.locator(".labkit-n-max .widget-readout")
    assert not readout.is_visible()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] / 2, steps=4)
    until(readout.is_visible, 3, "number while dragging")
    panel.screenshot(path=artefacts / "dragged.png")
    number = readout.inner_text()
    page.mouse.up()
    field = panel.locator(".labkit-n-max input[type=text]")
    until(lambda: field.input_value() == number != "5", 3, "number in the field")
    lab_page.type_into(panel, "n-max", "5")


def one_run(panel, artefacts):
    """A setting moved without Run: the panel says so, and code and files are of what is shown."""
    state, changed = panel.locator(".labkit-state"), panel.locator(".labkit-changed")
    code = panel.locator("pre.labkit-code").inner_text()
    lab_page.type_into(panel, "n-max", "7")
    until(lambda: "n_max 5 (now 7)" in "".join(changed.all_inner_texts()), 3, "words on the change")
    until(lambda: state.inner_text() == "settings changed · press Run", 3, "state")
    assert panel.locator("pre.labkit-code").inner_text() == code
    panel.screenshot(path=artefacts / "settings_changed.png")
    lab_page.type_into(panel, "n-max", "5")
    until(lambda: state.inner_text() == "done" and changed.count() == 0, 3, "no change")
    with panel.page.expect_download() as download:
        panel.locator("a.labkit-save").click()
    assert download.value.suggested_filename == "script.py"


def said_in_red(panel, artefacts):
    """What cannot be done is said, and goes away with the next fit."""
    panel.get_by_role("button", name="Advanced", exact=True).click()
    field = panel.locator(".labkit-zeta input")
    field.fill("-1")
    field.press("Enter")
    panel.get_by_role("button", name="Run").click()
    error = panel.locator(".labkit-error").first  # the unfolded script may say the same
    until(lambda: error.count() and "zeta is -1" in error.inner_text(), 3, "sentence")
    panel.screenshot(path=artefacts / "error.png")
    field.fill("4")
    field.press("Enter")
    settings(panel, n_max=3, l_max=2, n_sparse=50)
    panel.get_by_role("button", name="Run").click()
    until(lambda: error.count() == 0, 5, "end of the sentence")
    until(lambda: panel.locator(".labkit-state").inner_text() == "done", 60, "a fit after all")


def take_home(page, panel, folder):
    """Show code shows the script; Download gives files that labkit reads."""
    panel.get_by_role("button", name="Show code").click()
    code = panel.locator("pre.labkit-code")
    until(lambda: code.count() and "Design.build(train, config, valid=valid)" in code.inner_text(), 10, "script")
    assert 'labkit.datasets.ice("train", n=50)' in code.inner_text()
    panel.get_by_role("button", name="Download").click()
    links = panel.locator("a.labkit-link")
    until(lambda: links.count() == 2, 10, "links")
    for k in range(2):
        with page.expect_download() as download:
            links.nth(k).click()
        download.value.save_as(folder / download.value.suggested_filename)
    model = GapModel.load(folder / "gap.safetensors")
    assert GapConfig.read(folder / "gap_config.cfg").descriptors[0].n_max == model.config.descriptors[0].n_max == 5


def settings(panel, **values):
    """Type values into the fields beside the sliders."""
    for name, value in values.items():
        lab_page.type_into(panel, name.replace("_", "-"), str(value))
