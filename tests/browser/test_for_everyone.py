"""Panels without a mouse, without colours, for a screen reader, on a small screen, and in a dark theme."""

import nbformat
import numpy as np
import pytest
from browser import lab_page

until = lab_page.until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SETUP = """import labkit
from labkit.gap import GapConfig, Soap
from labkit.panels import OverfitPanel, StructurePanel, TrainPanel
train, valid = labkit.datasets.ice("train", n=50)[:20], labkit.datasets.ice("valid")[:5]
settings = GapConfig(Soap(n_max=3, l_max=2, n_sparse=20))"""
CELLS = ("TrainPanel(train, valid, settings)", "OverfitPanel(train, valid, settings)", 'StructurePanel(train, "Ice")')
NAMES = """card => [...card.querySelectorAll('input, select, button, [role=slider], canvas, img')]
    .filter(one => one.checkVisibility() && one.closest('.labkit') === card)
    .map(one => ({kind: one.getAttribute('role') ?? one.tagName.toLowerCase(), title: one.title || '',
        name: one.getAttribute('aria-label') || one.alt || one.textContent.trim() || one.title,
        said: one.getAttribute('aria-valuetext') ?? '',
        help: one.closest('.labkit-control')?.querySelector('label.labkit-label').title ?? ''}))"""
FOCUS = """() => { const one = document.activeElement;
    return one.getAttribute('aria-label') || one.textContent.trim() || one.title || one.tagName }"""
# right edges of all that can be pressed, beyond the right edge of the card
CUT = """card => [...card.querySelectorAll('input, select, button, img, canvas, table, .labkit-error')]
    .filter(one => one.checkVisibility() && one.getBoundingClientRect().right
        > card.querySelector('.labkit-card').getBoundingClientRect().right + 1)
    .map(one => one.outerHTML.slice(0, 80))"""
SMALL = {"1280x720": (1280, 720), "150 %": (853, 480)}


@pytest.fixture
def notebook(lab, page, tmp_path):
    made = [nbformat.v4.new_code_cell(cell) for cell in (SETUP, *CELLS)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = tmp_path / "notebooks" / "everyone.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel}), path)
    lab_page.open_lab(page, lab.replace("00_start_here", "everyone"))
    lab_page.run_all(page)
    until(lambda: page.locator(".labkit").count() >= 3, 60, "three panels")
    until(lambda: page.locator("[role=slider][aria-label]").count() > 3, 20, "names")
    yield page
    lab_page.end_kernels(page)


def test_panels_for_everyone(notebook, artefacts):
    train, overfit, ice = (notebook.locator(".labkit").nth(k) for k in range(3))
    train.get_by_role("button", name="Run").click()
    until(lambda: train.locator(".labkit-state").inner_text() == "done", 30, "trained model")
    named(train, overfit, ice)
    by_keyboard(notebook, train)
    on_small_screens(notebook, (train, overfit, ice), artefacts)
    in_the_dark(notebook, train, ice, artefacts)


def named(train, overfit, ice):
    for panel in (train, overfit, ice):
        panel.scroll_into_view_if_needed()
        found = until(lambda panel=panel: panel.evaluate(NAMES), 10, "controls")
        assert [one for one in found if not one["name"]] == []
        assert [one for one in found if one["help"] and one["title"] != one["help"]] == []
        assert panel is ice or sum(bool(one["help"]) for one in found) > 3
    (picture,) = [one["name"] for one in train.evaluate(NAMES) if one["kind"] == "img"]
    assert "over training frames; training " in picture
    said = [one for one in overfit.evaluate(NAMES) if one["kind"] == "slider" and "sigma" in one["name"]]
    assert said and not [one for one in said if one["said"].startswith(("-", "−"))]
    canvas = [one["name"] for one in ice.evaluate(NAMES) if one["name"].startswith("live view of atoms")]
    assert len(canvas) == 1 and "20" in canvas[0]


def by_keyboard(page, panel):
    """From Run on, Tab goes through all controls in the order in which they are seen; Enter opens a folded group."""
    panel.scroll_into_view_if_needed()
    labels = panel.locator(".labkit-control label.labkit-label:visible").all_text_contents()
    folded = panel.get_by_role("button", name="Advanced", exact=True)
    hidden = panel.locator(".labkit-folded label.labkit-label").first
    assert folded.get_attribute("aria-expanded") == "false" and not hidden.is_visible()
    panel.get_by_role("button", name="Run").focus()
    passed = tab_until(page, lambda found: found[-1] == "Advanced")
    fields = list(dict.fromkeys(name.split(", ")[0] for name in passed[:-1]))
    assert [name for name in fields if name in labels] == labels
    for key, state in (("Enter", "true"), ("Space", "false"), ("Enter", "true")):
        page.keyboard.press(key)
        until(lambda state=state: folded.get_attribute("aria-expanded") == state, 5, f"answer to {key}")
        assert hidden.is_visible() == (state == "true")
    first = hidden.text_content()
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS).split(", ")[0] == first
    tab_until(page, lambda found: found[-1] == "Show code")
    page.keyboard.press("Enter")
    until(lambda: panel.locator("pre.labkit-code").count(), 10, "code")
    page.keyboard.press("Enter")
    until(lambda: not panel.locator("pre.labkit-code").count(), 10, "no code")
    assert "*" not in "".join(lab_page.prompts(page))  # Enter has run no cell
    arrow_keys(page, panel)


def arrow_keys(page, panel):
    """Of a slider: they move it, not the selection of cells."""
    slider = panel.locator("[role=slider]:visible").first
    cell = "() => document.querySelector('.jp-Notebook .jp-Cell.jp-mod-active').innerText.slice(0, 200)"
    slider.focus()
    before, active = slider.get_attribute("aria-valuetext"), page.evaluate(cell)
    page.keyboard.press("ArrowDown")
    until(lambda: slider.get_attribute("aria-valuetext") != before, 5, "moved slider")
    assert page.evaluate(cell) == active
    page.keyboard.press("ArrowUp")
    until(lambda: slider.get_attribute("aria-valuetext") == before, 5, "slider back again")


def tab_until(page, condition):
    found = []
    for _ in range(40):
        page.keyboard.press("Tab")
        found.append(page.evaluate(FOCUS))
        if condition(found):
            return found
    raise AssertionError(f"passed {found}")


def on_small_screens(page, panels, artefacts):
    for name, (width, height) in SMALL.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1500)
        for k, panel in enumerate(panels):
            panel.scroll_into_view_if_needed()
            until(lambda panel=panel: panel.evaluate(CUT) == [], 10, f"panel {k} within {name}")
            page.screenshot(path=artefacts / f"small_{width}_{k}.png")
    page.set_viewport_size({"width": 1400, "height": 1000})


def in_the_dark(page, train, ice, artefacts):
    """Pictures and the view of atoms are as dark as the page."""
    lab_page.dark_theme(page)
    for name, part in (("train", train.locator("img.widget-image:visible")), ("ice", ice.locator("canvas:visible"))):
        part.first.scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        page.screenshot(path=artefacts / f"dark_{name}.png")
        assert np.median(lab_page.pixels(part.first.screenshot())) < 60
    ice.get_by_role("button", name="Picture").click()
    still = ice.locator("img.widget-image:visible").first
    until(lambda: still.evaluate("one => one.naturalWidth") > 100, 10, "picture of atoms")
    assert np.median(lab_page.pixels(still.screenshot())) < 60
    page.screenshot(path=artefacts / "dark_picture.png")
