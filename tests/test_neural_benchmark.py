"""The plan of benchmarks/neural.py: which runs are started, what is kept, and what rows and the table make of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
#: a side whose error is the size that it is given, plus the seed; it takes a tenth of the budget; size 9 fails
SIDE = """
import json, sys
given = dict(text[2:].split("=") for text in sys.argv[1:])
if given["size"] == "9":
    raise SystemExit("no memory")
with open(r"{log}", "a") as log:
    log.write(given["size"] + " ")
found = {{"force MAE": float(given["size"]) + float(given["seed"]), "cpu": {cpu}, "frames_per_second": 1.0}}
open(given["out"], "w").write(json.dumps(found))
"""


@pytest.fixture(scope="module")
def modules():
    sys.path.insert(0, str(FOLDER))
    import _neural_rows
    import _neural_runs

    yield _neural_runs, _neural_rows
    sys.path.remove(str(FOLDER))
    for name in ("_neural_rows", "_neural_runs", "_neural_sets", "_bench"):
        sys.modules.pop(name, None)


def side(modules, tmp_path: Path, sizes: tuple[str, ...], cpu: str = "1.0", fitted: bool = False):
    """Runs of a made-up code, and the sizes that have been started so far."""
    runs, _ = modules
    log = tmp_path / "started"
    script = tmp_path / "side.py"
    script.write_text(SIDE.format(log=log, cpu=cpu))
    python = tmp_path / "peers" / "made-up" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (tmp_path / "kept").mkdir()
    code = runs.Code("made-up", str(script), tuple((size, 0.1) for size in sizes), fitted)

    def started() -> list[str]:
        found = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    return runs.Runs(tmp_path / "kept", tmp_path / "peers"), code, started


def test_variants_are_compared_once_and_the_winner_runs_elsewhere(modules, tmp_path):
    runs, code, started = side(modules, tmp_path, ("3", "2", "4"))
    assert [run.size for run, _ in runs.of(code, "ethanol", 60.0, 0, tmp_path)] == ["3", "2", "4"] == started()
    for name, budget, seed in (("ethanol", 60.0, 1), ("ice", 60.0, 0)):
        assert [run.size for run, _ in runs.of(code, name, budget, seed, tmp_path)] == ["2"] == started()
    list(runs.of(code, "ethanol", 300.0, 0, tmp_path))
    assert started() == ["3", "2", "4"]  # each budget has a comparison of its own, but for the longest
    list(runs.of(code, "ethanol", 1800.0, 0, tmp_path))
    assert started() == ["2"]


def test_what_is_kept_is_not_repeated_and_what_failed_is_tried_again(modules, tmp_path, capsys):
    runs, code, started = side(modules, tmp_path, ("3", "9"))
    for expected in (["3"], []):
        assert [found["force MAE"] for _, found in runs.of(code, "ethanol", 60.0, 0, tmp_path)] == [3.0]
        assert started() == expected
    assert capsys.readouterr().out.count("no memory") == 2
    kept = json.loads((tmp_path / "kept" / "ethanol_made-up_60_0_3_0.1.json").read_text())
    assert (kept["code"], kept["set"], kept["budget"], kept["seed"]) == ("made-up", "ethanol", 60.0, 0)
    runs.new = False
    assert [run.size for run, _ in runs.of(code, "ice", 60.0, 0, tmp_path)] == [] == started()


def test_a_fit_stops_where_its_size_takes_longer_than_the_budget(modules, tmp_path):
    runs, code, started = side(modules, tmp_path, ("1", "2", "3"), cpu='60 * float(given["size"])', fitted=True)
    list(runs.of(code, "ethanol", 100.0, 0, tmp_path))
    assert started() == ["1", "2"]  # of 120 s, after which the third is not tried
    list(runs.of(code, "ethanol", 300.0, 0, tmp_path))
    assert started() == ["3"]  # the others are kept for all budgets


def put(folder: Path, code: str, seed: int, size: str, rate: float | None, **figures: float) -> None:
    budget = "fit" if code in ("labkit-GAP", "sgdml") else "60"
    name = "_".join(["ethanol", code, budget, str(seed), size, *([] if rate is None else [f"{rate:g}"])])
    known = {"seed": seed, "size": size, "rate": rate, "frames_per_second": 1.0, "cpu": 60.0}
    (folder / f"{name}.json").write_text(json.dumps({**known, **figures}))


def test_rows_and_table(modules, tmp_path):
    runs, rows = modules
    put(tmp_path, "labkit", 0, "medium", 0.003, **{"force MAE": 10.0, "MD steps/s": 400.0, "frames_per_second": 300.0})
    put(tmp_path, "labkit", 1, "medium", 0.003, **{"force MAE": 12.0})
    put(tmp_path, "labkit", 0, "small", 0.003, **{"force MAE": 20.0, "MD steps/s": 600.0})
    put(tmp_path, "torchmd-net", 0, "small", 0.003, **{"force MAE": 30.0, "MD steps/s": 100.0})
    put(tmp_path, "torchmd-net", 0, "medium", 0.003, **{"force MAE": 40.0, "frames_per_second": 100.0})
    put(tmp_path, "torchmd-net", 1, "small", 0.003, **{"force MAE": 24.0})
    put(tmp_path, "labkit-GAP", 0, "small", None, **{"force MAE": 8.0, "cpu": 59.0})
    put(tmp_path, "labkit-GAP", 0, "medium", None, **{"force MAE": 1.0, "cpu": 100.0})  # too late
    plan = [("ethanol", 60.0, 0), ("ethanol", 60.0, 1)]
    found = rows.collected(runs.Runs(tmp_path, None, new=False), plan)
    made = {(row.name, row.peer_name): row for row in rows.rows_of(found)}
    error = made["ethanol, 60 s: force MAE", "torchmd-net"]
    assert (error.labkit, error.peer, error.ratio, error.runs) == (11.0, 27.0, 2.5, 2)
    assert made["ethanol, 60 s: force MAE", "labkit GAP"].peer == 8.0
    assert made["ethanol, 60 s: training frames/s, TensorNet of 64 channels", "torchmd-net"].ratio == 3.0
    assert made["ethanol, 60 s: MD steps/s", "torchmd-net"].ratio == 4.0
    assert made["ethanol, 60 s: MD steps/s, at no larger error", "torchmd-net"].ratio == 6.0  # by the small network
    line = next(line for line in rows.markdown(found).splitlines() if line.startswith("| ethanol"))
    assert "| 11.0 ± 1.4 |" in line and "| 27.0 ± 4.2 |" in line and "labkit GAP is best" in line and "| 0.41" in line
