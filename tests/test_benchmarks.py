"""What the benchmarks share: ratios, verdicts, and the rows that they write."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
FIELDS = {"name", "unit", "labkit", "peer", "peer_name", "ratio", "ratio_q25", "ratio_q75", "goal"}


@pytest.fixture(scope="module")
def bench():
    name = "benchmarks_shared"
    spec = importlib.util.spec_from_file_location(name, FOLDER / "_bench.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]


def test_ratios_are_of_pairs_and_above_one_where_labkit_is_better(bench):
    row = bench.compare("step", "ms", [1, 2, 4, 1, 1], [10, 10, 10, 10, 20], "peer", goal=5)
    assert (row.labkit, row.peer, row.runs) == (1, 10, 5)
    assert (row.ratio_q25, row.ratio, row.ratio_q75) == (5, 10, 10)
    assert bench.compare("rate", "1/s", [10], [2], "peer", better="more").ratio == 5


@pytest.mark.parametrize(("peer", "verdict"), [([8, 9, 10], "met"), ([1, 2, 3], "missed"), ([1, 6, 9], "undecided")])
def test_a_verdict_needs_both_quartiles(bench, peer, verdict):
    assert bench.compare("step", "ms", [1, 1, 1], peer, "peer", goal=5).verdict == verdict
    assert bench.compare("step", "ms", [1, 1, 1], peer, "peer").verdict == ""


def test_turns_alternate(bench):
    order = []
    ours, theirs = bench.alternate(lambda: order.append("a"), lambda: order.append("b"), runs=3)
    assert order == ["a", "b"] * 3 and len(ours) == len(theirs) == 3


def test_what_a_benchmark_writes(bench, tmp_path, capsys):
    files = [f"--{kind}={tmp_path / ('rows.' + kind)}" for kind in ("json", "csv", "png")]
    rows = [bench.compare("step", "ms", [1.0, 1.0], [6.0, 7.0], "peer", goal=5), bench.compare("x", "s", [2], [1], "y")]
    bench.report(rows, bench.parser("test").parse_args(files))
    found = json.loads((tmp_path / "rows.json").read_text())
    assert len(found) == 2 and found[0].keys() >= FIELDS
    assert (tmp_path / "rows.csv").read_text().count("\n") == 3
    assert (tmp_path / "rows.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "step (peer: peer)" in printed and "6.25 to 6.75" in printed and "met" in printed
    assert str(Path.home()) not in printed


#: Runs scripts one after another, which import and compile what they share once; a line of JSON for each
DRIVER = """
import contextlib, io, json, runpy, sys, time, traceback
folder, options, *scripts = sys.argv[1:]
sys.path.insert(0, folder)
for script in scripts:
    sys.argv, out, began = [f"{folder}/{script}.py", *options.format(script=script).split()], io.StringIO(), time.time()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            code = traceback.format_exc()
    print(json.dumps([script, code, out.getvalue(), round(time.time() - began, 1)]), flush=True)
"""
SCRIPTS = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def run(scripts: list[str], options: str, folder: Path) -> dict[str, tuple[str, float]]:
    """What each script prints with these options, and its seconds; they must end without an error."""
    threads = {"OMP_NUM_THREADS": "1", "LABKIT_THREADS": "1"}
    line = [sys.executable, "-c", DRIVER, str(FOLDER), options, *scripts]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, env={**os.environ, **threads}, timeout=280)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert [script for script, *_ in found] == scripts and done.returncode == 0, done.stdout + done.stderr
    assert not (failed := {script: (code, text) for script, code, text, _ in found if code}), failed
    return {script: (text, seconds) for script, _, text, seconds in found}


def test_every_benchmark_tells_its_options(tmp_path):
    for script, (text, _) in run(SCRIPTS, "--help", tmp_path).items():
        assert text.startswith(f"usage: {script}.py")
        assert all(option in text for option in ("--json", "--csv", "--png", "--full", "--small")), script


@pytest.mark.parametrize("scripts", [SCRIPTS[k::3] for k in range(3)], ids=["one", "two", "three"])
def test_every_benchmark_runs_and_writes_its_rows(tmp_path, scripts):
    """Each of the smallest size; one whose peer is not installed says so, and writes none."""
    for script, (text, seconds) in run(scripts, "--small --json {script}.json --csv {script}.csv", tmp_path).items():
        print(f"{script}: {seconds:g} s")
        rows = json.loads((tmp_path / f"{script}.json").read_text())
        assert rows or "is not installed" in text, text
        assert len((tmp_path / f"{script}.csv").read_text().splitlines()) == 1 + len(rows)
        for row in rows:
            numbers = {name: value for name, value in row.items() if isinstance(value, float | int)}
            assert row["name"] and row["unit"] and np.isfinite(list(numbers.values())).all(), row
            if script != "energy_drift":  # its rows are slopes with their errors
                assert row.keys() == FIELDS | {"runs"} and row["peer_name"], row
                assert {"labkit", "peer", "ratio", "ratio_q25", "ratio_q75"} <= numbers.keys(), row
            else:
                assert {"labkit", "labkit_error", "openmm", "openmm_error"} <= numbers.keys(), row
