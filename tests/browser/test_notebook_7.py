"""Panels in Notebook 7, which shows one document without JupyterLab's frame: the view, a training, Stop."""

import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbformat
import pytest
from browser import lab_page

until = lab_page.until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = (
    "import labkit\nfrom ase.build import molecule\nfrom labkit.panels import StructurePanel, TrainPanel",
    "StructurePanel(molecule('C6H6'), 'Benzene')",
    "ds = labkit.datasets.ice('train', n=50)\nTrainPanel(ds[:40], ds[40:])",
)


@pytest.fixture
def notebook(tmp_path):
    """The address of a notebook in a Notebook 7 server of its own."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "panels.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    line = [sys.executable, "-m", "notebook", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1"]
    line += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={tmp_path}"]
    log = open(tmp_path / "server.log", "w")  # noqa: SIM115 - as long as the server
    server = subprocess.Popen(line, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}/notebooks/panels.ipynb?token={token}"
    try:
        until(lambda: answers(address), 60, "Notebook 7")
        yield address
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def answers(address):
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def test_panels(notebook, page, artefacts):
    page.goto(notebook)
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    until(lambda: lab_page.kernel_states(page) == ["idle"], 60, "idle kernel")
    time.sleep(1)
    lab_page.run_all(page)
    done = re.compile(r"\[\d+\]")
    until(lambda: all(map(done.match, lab_page.prompts(page))), 120, "end of the cells")
    assert lab_page.failures(page) == []

    view = page.locator(".labkit", has_text="Benzene")
    canvas = view.locator("canvas:visible").first
    until(lambda: lab_page.colours(canvas.screenshot())[0] > 0.005, 30, "atoms")

    panel = page.locator(".labkit", has_text="Gaussian approximation").first
    panel.scroll_into_view_if_needed()
    panel.get_by_role("button", name="Run").click()
    until(lambda: "done" in panel.locator(".labkit-state").inner_text(), 90, "end of the training")
    image = panel.locator("canvas:visible, img:visible").first
    until(lambda: lab_page.colours(image.screenshot())[0] > 0.01, 20, "plots")
    page.screenshot(path=artefacts / "notebook_7.png", full_page=True)
