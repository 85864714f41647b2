"""What the benchmarks share: ratios, verdicts, and the rows that they write."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

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


@pytest.mark.parametrize("script", sorted(p.name for p in FOLDER.glob("[!_]*.py")))
def test_every_benchmark_takes_json(script):
    assert "parser(" in (FOLDER / script).read_text()
    compile((FOLDER / script).read_text(), script, "exec")
