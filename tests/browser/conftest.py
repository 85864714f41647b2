"""A real Chromium for the tests of this folder; the fixture `lab` starts JupyterLab for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labkit.doctor.installation import find_chromium
from labkit.files import lock

REPOSITORY = Path(__file__).resolve().parents[2]
# Software WebGL: without these flags nglview's canvas stays empty on a machine without a GPU.
FLAGS = [
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-sandbox",
    "--disable-dev-shm-usage",
]


def install_chromium() -> str:
    """Try Debian's package where that is possible; return why it did not help, or an empty string."""
    apt = shutil.which("apt-get")
    if not apt or os.geteuid() != 0:
        return "no Chromium on PATH (set LABKIT_CHROMIUM, or install it: apt-get install chromium)"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "timeout": 900}
    subprocess.run([apt, "update", "-qq"], **quiet)
    done = subprocess.run([apt, "install", "-y", "-qq", "--no-install-recommends", "chromium"], **quiet)
    return "" if done.returncode == 0 else f"apt-get install chromium failed: {done.stderr.strip()[-300:]}"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium; without one the tests skip, but in CI they fail."""
    path, reason = find_chromium(), ""
    if path is None:
        with lock(Path(tempfile.gettempdir()) / "labkit-chromium"):  # tests run in two processes
            path = find_chromium()
            reason = "" if path else install_chromium()
            path = find_chromium()
    if path is None:
        message = f"browser tests need Chromium: {reason or 'installed, but not found on PATH'}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where screenshots are kept to be looked at."""
    folder = REPOSITORY / "artefacts"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator:
    """A headless Chromium driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, request: pytest.FixtureRequest, artefacts: Path) -> Iterator:
    """A fresh page of 1400 x 1000 pixels; its last look is kept as artefacts/<test>.png."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    yield page
    page.screenshot(path=artefacts / f"{request.node.name}.png")
    page.close()


@pytest.fixture
def lesson(shared_lab: str, page) -> Iterator[Callable]:
    """`lesson("02_learning_curve", seconds)` opens a notebook and runs what stands before its exercises."""
    from browser import lab_page  # not above: test_chromium copies this file alone

    yield lambda name, seconds: lab_page.run_lesson(page, shared_lab, name, seconds)
    lab_page.end_kernels(page)
