"""The first notebook as a newcomer sees it: atoms on the screen, a trained potential, a healthy installation."""

import re
import time

import pytest
from browser import lab_page

until, colours, differ = lab_page.until, lab_page.colours, lab_page.differ

pytestmark = pytest.mark.browser


def shot(page, locator, path=None):
    locator.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    return locator.screenshot(path=path)


def test_run_all_shows_atoms_and_a_trained_model_within_30_s(lab, page, artefacts):
    lab_page.open_lab(page, lab)
    start = time.monotonic()
    lab_page.run_all(page)
    state = page.locator(".labkit-state")
    until(lambda: state.count() and state.first.inner_text() == "done", 30, "trained model on the screen")
    trained = time.monotonic() - start
    canvas = page.locator(".labkit", has_text="Ice, 4 H").locator("canvas:visible")
    until(lambda: colours(shot(page, canvas.first))[0] > 0.01, 30 - (time.monotonic() - start), "atoms on the canvas")
    until(lambda: all(re.match(r"\[\d+\]", p) for p in lab_page.prompts(page)), 60, "end of the last cell")
    print(f"trained model after {trained:.1f} s, all cells after {time.monotonic() - start:.1f} s")
    assert lab_page.failures(page) == []

    part, number = colours(shot(page, canvas.first, artefacts / "atoms.png"))
    assert 0.01 < part < 0.5 and number > 20  # shaded spheres, not a flat patch
    look_at_atoms(page, canvas.first, artefacts)
    page.locator(".jp-OutputArea-output", has_text="self-test").scroll_into_view_if_needed()
    assert "fail" not in page.locator(".jp-OutputArea-output", has_text="self-test").inner_text()
    page.locator(".labkit", has_text="Gaussian").first.screenshot(path=artefacts / "train_panel.png")


def look_at_atoms(page, canvas, artefacts):
    """Forces, frames and the still picture, by mouse and keyboard."""
    before = shot(page, canvas)
    page.get_by_role("button", name="Forces").click()
    until(lambda: greens(shot(page, canvas)) > greens(before) + 200, 5, "green arrows")
    shot(page, canvas, artefacts / "forces.png")

    first, words = shot(page, canvas), page.locator(".labkit-hint", has_text="frame 0 of 50")
    assert "1 Å of arrow" in words.inner_text()
    page.locator(".labkit .noUi-handle").first.focus()
    page.keyboard.press("PageUp")
    until(lambda: words.count() == 0, 5, "other frame in words")
    until(lambda: differ(first, shot(page, canvas)) > 0.002, 5, "other frame on the canvas")

    page.get_by_role("button", name="Picture").click()
    image = page.locator(".labkit", has_text="Ice, 4 H").locator("img.widget-image:visible")
    until(lambda: image.count() and colours(shot(page, image))[0] > 0.02, 5, "still picture")
    shot(page, image, artefacts / "still.png")
    page.get_by_role("button", name="Picture").click()


def greens(png):
    pixels = lab_page.pixels(png)
    return int(((pixels[:, 1] > pixels[:, 0] + 25) & (pixels[:, 1] > pixels[:, 2] + 5)).sum())


def test_without_webgl_a_still_picture_shows_by_itself(lab, browser, chromium, artefacts):
    blind = browser.browser_type.launch(executable_path=chromium, args=["--no-sandbox", "--disable-3d-apis"])
    try:
        page = blind.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(60_000)
        lab_page.open_lab(page, lab)
        assert page.evaluate("() => document.createElement('canvas').getContext('webgl')") is None
        lab_page.run_all(page)
        image = page.locator(".labkit", has_text="Ice, 4 H").locator("img.widget-image:visible")
        until(lambda: image.count() and colours(shot(page, image))[0] > 0.02, 60, "still picture")
        page.screenshot(path=artefacts / "without_webgl.png")
    finally:
        blind.close()
