"""A learner's copy as a learner sees it: Run All ends at the first exercise in one line; answers are judged at once."""

import re

import pytest
from browser import lab_page

from labkit.masters import find_notebooks
from labkit.student import write_copies

until = lab_page.until

pytestmark = pytest.mark.browser


@pytest.fixture
def lab_session(tmp_path, monkeypatch):
    """Before the server starts: it and its kernels keep what is answered here."""
    monkeypatch.setenv("LABKIT_SESSION", str(tmp_path / "session"))
    return tmp_path / "session"


def test_run_all_ends_at_the_first_exercise_and_answers_are_judged(lab_session, lab, page, tmp_path, artefacts):
    write_copies(find_notebooks(), tmp_path / "student")
    lab_page.open_lab(page, lab.replace("/notebooks/", "/student/"))
    lab_page.run_all(page)
    (line,) = until(lambda: lab_page.failures(page), 60, "end at the first exercise")
    assert line.strip() == "✎ Exercise 00.1: replace the dots by your answer, then run this cell again."
    cell = page.locator(".jp-CodeCell", has_text='check("00.1", answer)')
    cell.scroll_into_view_if_needed()
    page.screenshot(path=artefacts / "dots.png")

    for answer, words in (("4", "Not yet. That is the number of molecules"), ("12", "✓ 00.1 Right.")):
        editor = cell.locator(".cm-content")
        editor.click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(f'answer = {answer}\ncheck("00.1", answer)')
        page.keyboard.press("Control+Enter")
        verdict = cell.locator(".labkit-verdict")
        until(lambda words=words, verdict=verdict: verdict.count() and words in verdict.inner_text(), 10, words)
        verdict.screenshot(path=artefacts / f"verdict_{answer}.png")
    page.wait_for_timeout(300)
    page.screenshot(path=artefacts / "verdict.png")
    green = verdict.locator(".labkit-chip").first.evaluate("chip => getComputedStyle(chip).backgroundColor")
    assert green == "rgb(42, 127, 98)" and re.search('"00.1"', (lab_session / "exercises.json").read_text())
