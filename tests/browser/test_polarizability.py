"""Notebook 05 before its exercises; then λ = 2 dragged by mouse, and an environment that was made beforehand."""

import pytest
from browser import lab_page

until = lab_page.until

pytestmark = pytest.mark.browser

FOLLOWS = 0.5  # s, within which the picture follows the slider; on a busy machine one move may wait for a core

WATCH = """panel => {
    window.moves = []; window.pictures = [];
    document.addEventListener('pointermove', () => window.moves.push(performance.now()), true);
    const image = panel.querySelector('img');
    new MutationObserver(() => window.pictures.push(performance.now())).observe(image, {attributes: true});
}"""

FIRST = """() => {
    const after = window.pictures.find(time => time > window.moves[0]);
    return after ? (after - window.moves[0]) / 1000 : null;
}"""


@pytest.fixture
def notebook(lesson):
    return lesson("05_polarizability", 150)


def test_regularization_and_environment_answer_at_once(notebook, artefacts):
    panel = notebook.locator(".labkit").first
    panel.scroll_into_view_if_needed()
    state = panel.locator(".labkit-state")
    until(lambda: state.inner_text() == "done", 5, "state")
    before = panel.locator("img").screenshot(path=artefacts / "polarizability_before.png")
    drag(notebook, panel)
    notebook.wait_for_timeout(1500)  # the spread of the place where it rests
    after = panel.locator("img").screenshot(path=artefacts / "polarizability_after.png")
    assert lab_page.differ(before, after) > 0.003
    environment(panel)
    panel.screenshot(path=artefacts / "polarizability_panel.png")
    search = notebook.locator(".labkit", has_text="Search for the best environment").last
    search.scroll_into_view_if_needed()
    assert lab_page.colours(search.locator("img").screenshot())[1] > 5 and "best so far" in search.inner_text()
    search.screenshot(path=artefacts / "tensor_search_panel.png")


def drag(page, panel):
    panel.evaluate(WATCH)
    box = panel.locator(".labkit-noise-2 .noUi-handle").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    waits = []
    for pixels in (-6, -12, -18, -12, 6):
        page.wait_for_timeout(1200)  # until the spread of the place before is drawn
        page.evaluate("() => { window.moves.length = 0; window.pictures.length = 0; }")
        page.mouse.move(x + pixels, y)
        waits.append(until(lambda: page.evaluate(FIRST), 5, "picture", step=0.02))
    page.mouse.up()
    print("the picture followed after", ", ".join(f"{wait:.3f}" for wait in waits), "s")
    assert sorted(waits)[-2] < FOLLOWS and max(waits) < 2 * FOLLOWS


def environment(panel):
    """The cutoff is changed in its field: other numbers, and then other places are ready."""
    table = panel.locator(".labkit-table").inner_text()
    assert "cutoff 3.5, 4, 4.5" in panel.inner_text()
    lab_page.type_into(panel, "cutoff", "4.5")
    until(lambda: panel.locator(".labkit-table").inner_text() != table, 5, "other errors")
    until(lambda: "cutoff 4, 4.5, 5" in panel.inner_text(), 30, "neighbours made")
    until(lambda: panel.locator(".labkit-state").inner_text() == "done", 30, "end")
