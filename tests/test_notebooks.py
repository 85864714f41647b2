import os

import nbformat
import pytest

from labkit.cli import main
from labkit.errors import LabkitError
from labkit.notebooks import key_numbers, run_notebooks

new = nbformat.v4


@pytest.fixture
def write(tmp_path):
    def write(name, *cells):
        path = tmp_path / f"{name}.ipynb"
        notebook = new.new_notebook(cells=[c if isinstance(c, dict) else new.new_code_cell(c) for c in cells])
        nbformat.write(notebook, path)
        return path

    return write


def test_seconds_memory_numbers_and_html(write, tmp_path):
    marked = "# NBVAL_CHECK_OUTPUT\nprint('force RMSE: 21.5 meV/Å\\nno number: here')"
    path = write("good", "import time; block = bytearray(200_000_000); time.sleep(1)", marked)
    before = path.read_text()
    (report,) = run_notebooks([path], tmp_path / "out")
    assert report.error == ""
    assert 1.0 < report.seconds < 30
    assert 200 < report.memory < 450  # the block, and an idle kernel's 60 MB or so
    assert report.numbers == {"force RMSE": "21.5 meV/Å"}
    assert "21.5 meV/Å" in (tmp_path / "out" / "good.html").read_text()
    assert path.read_text() == before


def test_panels_are_readable_in_the_html_without_a_network(write, tmp_path):
    cells = (
        "import labkit, ipywidgets; from labkit.gap import GapConfig, Soap; from labkit.panels import TrainPanel\n"
        "train = labkit.datasets.ice('train', n=50)[:6]",
        "panel = TrainPanel(train, config=GapConfig(Soap(n_max=3, l_max=2, n_sparse=20)))\npanel.run()\npanel",
        "labkit.finish()",
    )
    reports = run_notebooks([write("panel", *cells), write("own", *cells, "ipywidgets.IntSlider()")], tmp_path / "out")
    assert [report.error for report in reports] == ["", ""]
    html = (tmp_path / "out" / "panel.html").read_text()
    assert "RMSE after 6 frames" in html and "training frames 6" in html and "data:image/png;base64," in html
    assert "widget-view" not in html and "html-manager" not in html and "require.min.js" not in html
    own = (tmp_path / "out" / "own.html").read_text()
    assert "RMSE after 6 frames" in own and "widget-view" in own and "html-manager" in own


def test_kernels_are_behind_private_sockets(write, tmp_path):
    look = (
        "import json, os; from pathlib import Path; from ipykernel.connect import get_connection_file\n"
        "file = Path(get_connection_file()); transport = json.loads(file.read_text())['transport']\n"
        "print(f'others: {file.parent.stat().st_mode & 0o077} {transport} {file.parent}')  # NBVAL_CHECK_OUTPUT"
    )
    (report,) = run_notebooks([write("good", look)], tmp_path / "out")
    mode, transport, folder = report.numbers["others"].split()
    assert (mode, transport) == ("0", "ipc") if os.name == "posix" else transport == "tcp"
    assert not os.path.exists(folder)


def test_memory_counts_child_processes(write, tmp_path):
    child = "import subprocess, sys; code = 'b = bytearray(300_000_000); import time; time.sleep(2)'"
    (report,) = run_notebooks([write("child", child, "subprocess.run([sys.executable, '-c', code])")], tmp_path / "out")
    assert report.memory > 300


def test_a_failing_cell_fails_and_is_seen_in_the_html(write, tmp_path):
    path = write("bad", "print('so far')", "raise ValueError('cell 2 is broken')")
    (report,) = run_notebooks([path], tmp_path / "out")
    assert report.error == "ValueError: cell 2 is broken"
    html = (tmp_path / "out" / "bad.html").read_text()
    assert "so far" in html and "cell 2 is broken" in html


def test_a_cell_over_its_limit_fails(write, tmp_path):
    (report,) = run_notebooks([write("slow", "import time; time.sleep(60)")], tmp_path / "out", cell_limit=2)
    assert report.error == "a cell took longer than 2 s" and report.seconds < 30


def test_a_killed_kernel_fails(write, tmp_path):
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    (report,) = run_notebooks([write("killed", kill)], tmp_path / "out")
    assert "kernel died" in report.error


def test_side_by_side_shares_the_cores(write, tmp_path, monkeypatch):
    monkeypatch.delenv("LABKIT_THREADS", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    show = "# NBVAL_CHECK_OUTPUT\nimport os; print('threads:', os.environ['LABKIT_THREADS'], os.environ['LABKIT_MODE'])"
    paths = [write("one", show), write("two", show)]
    reports = run_notebooks(paths, tmp_path / "out", side_by_side=2, mode="full")
    assert [report.numbers for report in reports] == [{"threads": "2 full"}] * 2
    (alone,) = run_notebooks(paths[:1], tmp_path / "out", mode="fast")
    assert alone.numbers == {"threads": "1 fast"}


def test_one_bad_file_does_not_stop_the_others(write, tmp_path):
    cut = tmp_path / "cut.ipynb"
    cut.write_text('{"cells": [')
    reports = run_notebooks([cut, write("good", "1 + 1")], tmp_path / "out")
    assert "cut.ipynb: is not a readable notebook" in reports[0].error and reports[1].error == ""


def test_out_is_a_file(write, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(LabkitError, match="--out"):
        run_notebooks([write("good", "1")], tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_key_numbers_of_tagged_cells_only():
    def cell(tags, text):
        output = new.new_output("stream", text=text)
        return new.new_code_cell("", metadata={"tags": tags}, outputs=[output])

    cells = [cell(["key-numbers"], "a: 1 eV\n"), cell([], "b: 2 eV\n"), cell(["nbval-check-output"], "c d: -3.5e-2")]
    assert key_numbers(new.new_notebook(cells=cells)) == {"a": "1 eV", "c d": "-3.5e-2"}


def test_the_command_prints_a_table_and_its_exit_code_tells(write, tmp_path, capsys):
    good, bad = write("good", "# NBVAL_CHECK_OUTPUT\nprint('x: 1.5 eV')"), write("bad", "1 / 0")
    assert main(["run", str(good), "--out", str(tmp_path / "html")]) == 0
    assert main(["run", str(good), str(bad), "--out", str(tmp_path / "html")]) == 1
    text = capsys.readouterr().out
    assert "x                                        1.5 eV" in text
    assert "failed: bad" in text and "ZeroDivisionError" in text
    assert {path.name for path in (tmp_path / "html").iterdir()} == {"good.html", "bad.html"}
