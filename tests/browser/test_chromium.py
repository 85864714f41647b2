"""Without a Chromium the browser tests are skipped with the reason, but fail in CI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_missing_browser(tmp_path, ci, outcome):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_page.py").write_text("def test_page(chromium):\n    assert chromium\n")
    bare = {**os.environ, "PATH": "/nowhere", "CI": ci}
    bare.pop("LABKIT_CHROMIUM", None)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert outcome in done.stdout
    assert "browser tests need Chromium: no Chromium on PATH" in done.stdout


def test_chromium_draws_webgl(page):
    """What nglview needs: a canvas whose pixels WebGL has coloured."""
    page.set_content("<canvas id=c width=40 height=40></canvas>")
    pixel = page.evaluate(
        """() => {
            const gl = document.getElementById('c').getContext('webgl');
            gl.clearColor(1, 0.5, 0, 1);
            gl.clear(gl.COLOR_BUFFER_BIT);
            const pixel = new Uint8Array(4);
            gl.readPixels(20, 20, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
            return Array.from(pixel);
        }"""
    )
    assert pixel[0] == 255 and pixel[1] in (127, 128) and pixel[2] == 0
