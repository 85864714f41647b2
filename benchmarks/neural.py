"""Neural potentials trained for equal CPU time by labkit, MACE and torchmd-net: errors of forces on unseen frames.

Each code runs on one thread in an environment of its own (--peers FOLDER with the environments mace-torch and
torchmd-net); its time is that of its process, imports and compiling included. A peer's better result over its sizes
and learning rates counts; labkit has its defaults. Every run is kept in a folder (--runs), so that the benchmark can be
stopped and goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
from _bench import Row, compare, parser, report

import labkit
from labkit.datasets import Dataset

SIDES = Path(__file__).parent / "neural_peers"
#: by code: its script, and the sizes and learning rates that are tried
PEERS = {
    "mace-torch": ("mace_side.py", ("small", "one"), (0.01, 0.003)),
    "torchmd-net": ("torchmdnet_side.py", ("small", "medium"), (0.001, 0.003)),
}
GOAL = 1 / 0.7  # of a peer's error to labkit's


def runs_of(code: str, sizes: tuple[str, ...], rates: tuple[float, ...], budgets: list[float], seeds: int) -> Iterator:
    for budget, seed, size, rate in product(budgets, range(seeds), sizes, rates):
        yield {"code": code, "budget": budget, "seed": seed, "size": size, "rate": rate}


def result(python: str, script: str, run: dict, data: Path, kept: Path) -> dict | None:
    """The result of a run, from its file if it is there."""
    name = "_".join(f"{v:g}" if isinstance(v, float) else str(v) for v in (data.name, *run.values()))
    out = kept / f"{name}.json"
    if not out.exists():
        options = [f"--{name}={run[name]}" for name in ("budget", "seed", "size", "rate") if run[name] is not None]
        line = [python, str(SIDES / script), f"--data={data}", f"--out={out}", *options]
        # e3nn's tables are read by torch.load; they come with the package
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
        done = subprocess.run(line, capture_output=True, text=True, env=environment)
        if not out.exists():
            print(f"{name}: {done.stderr.strip().splitlines()[-1][:120]}", flush=True)
            return None
    found = json.loads(out.read_text())
    print(f"{name}: {found['force MAE']:.1f} meV/Å, {found['frames_per_second']:.0f} frames/s", flush=True)
    return found


def rows_of(data: Path, budgets: list[float], seeds: int, peers: Path | None, kept: Path) -> list[Row]:
    ours = {}
    for run in runs_of("labkit", ("medium",), (0.003,), budgets, seeds):
        ours[run["budget"], run["seed"]] = result(sys.executable, "labkit_side.py", run, data, kept)
    rows = []
    for code, (script, sizes, rates) in PEERS.items():
        if peers is None or not (peers / code / "bin" / "python").exists():
            continue
        found: dict[tuple, list[dict]] = {}
        for run in runs_of(code, sizes, rates, budgets, seeds):
            one = result(str(peers / code / "bin" / "python"), script, run, data, kept)
            if one is not None:
                found.setdefault((run["budget"], run["size"], run["rate"]), []).append(one)
        for budget in budgets:
            tried = [runs for key, runs in found.items() if key[0] == budget and len(runs) == seeds]
            if not tried:
                continue
            best = min(tried, key=lambda runs: np.mean([r["force MAE"] for r in runs]))
            mine = [ours[budget, seed] for seed in range(seeds)]
            for name, unit, goal, better in (
                ("force MAE", "meV/Å", GOAL, "less"), ("frames_per_second", "1/s", 3.0, "more"),
            ):  # fmt: skip
                pairs = [[r[name] for r in side] for side in (mine, best)]
                label = f"{data.name}, {budget:g} s: {name.replace('_', ' ')}"
                rows.append(compare(label, unit, *pairs, code, goal, better))
    return rows


def sets(folder: Path | None, into: Path, small: bool) -> list[Path]:
    """Folders of train.xyz and test.xyz: ice, as shipped, and rMD17's ethanol, if its folder is given."""
    train, test = (
        labkit.datasets.ice("train", n=16 if small else 200),
        labkit.datasets.ice("valid", n=4 if small else 60),
    )
    found = [written(into / "ice", train, test)]
    if folder is not None:
        known, unseen = (labkit.load(folder / f"rmd17_ethanol_{name}_01.npz") for name in ("train", "test"))
        found.append(written(into / "ethanol", known[:600], unseen[:300]))
    return found


def written(folder: Path, train: Dataset, test: Dataset) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, frames in (("train", train), ("test", test)):
        frames.write(folder / f"{name}.xyz")
    return folder


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--peers", type=Path, help="folder of the peers' environments")
    options.add_argument("--data", type=Path, help="folder of rMD17's npz files")
    options.add_argument("--runs", type=Path, help="folder of the runs' results; by default a new one")
    options.add_argument("--budgets", type=float, nargs="+", default=[60.0], help="CPU seconds")
    options.add_argument("--seeds", type=int, default=1)
    given = options.parse_args()
    for code in PEERS:
        if given.peers is None or not (given.peers / code / "bin" / "python").exists():
            print(f"{code} is not installed (no environment of this name in --peers): its rows are left out")
    with tempfile.TemporaryDirectory() as new:
        kept = given.runs or Path(new) / "runs"
        kept.mkdir(parents=True, exist_ok=True)
        rows = []
        for data in sets(given.data, Path(new), given.small):
            rows += rows_of(data, [1.0] if given.small else given.budgets, given.seeds, given.peers, kept)
    report(rows, given)


if __name__ == "__main__":
    main()
