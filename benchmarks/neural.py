"""Neural potentials trained for equal CPU time by labkit, MACE, torchmd-net and graph-pes; GAP and sGDML beside them.

Errors are those of forces on unseen frames. Each code runs on one thread in an environment of its own (--peers FOLDER
with the environments mace-torch, torchmd-net, graph-pes and sgdml); its time is the CPU time of its process, imports
included. A peer runs as its documentation recommends, and with two sizes and two learning rates, in single precision,
with averaged weights and a rate that ends at zero; these variants are compared on ethanol with seed 0 and the same
budget, by the test error, and the best one counts there and runs elsewhere. labkit has its defaults. Fits (GAP, sGDML)
take the time that they take: the best one that ended within the budget counts. torchmd-net cannot run ice (its cell is
smaller than twice the cutoff), sGDML is for molecules.

--full runs the whole plan (some nine core-hours); every run is kept in a folder (--runs), so that the benchmark can be
stopped and goes on. --kept starts nothing new and reports what there is, --markdown also as the table of README.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from _bench import parser, report
from _neural_rows import collected, markdown, rows_of
from _neural_runs import GAP, LABKIT, OTHER_SIZES, PEERS, PLAN, TUNED, Runs
from _neural_sets import NAMES, written


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--peers", type=Path, help="folder of the peers' environments")
    options.add_argument("--data", type=Path, help="folder with rmd17/ and 3bpa/")
    options.add_argument("--runs", type=Path, help="folder of the runs' results; by default a new one")
    options.add_argument(
        "--plan", nargs="+", type=step, default=[("ethanol", 60.0, 0), ("ice", 60.0, 0)],
        help=f"SET:SECONDS:SEED ..., with a set of {', '.join(NAMES)}; --full has a longer one",
    )  # fmt: skip
    options.add_argument("--kept", action="store_true", help="start no run")
    options.add_argument("--markdown", action="store_true", help="also print a table for README")
    given = options.parse_args()
    plan = [("small", 1.0, 0)] if given.small else PLAN if given.full or given.kept else given.plan
    with tempfile.TemporaryDirectory() as new:
        runs = Runs(given.runs or Path(new) / "runs", given.peers, new=not given.kept)
        runs.kept.mkdir(parents=True, exist_ok=True)
        if given.small:
            runs.dynamics = 0.0
        carry_out(runs, plan, given.data, Path(new) / "sets")
        found = collected(runs, plan)
        if given.small and not found:
            raise SystemExit("labkit's training failed")
    report(rows_of(found), given)
    if given.markdown:
        print(markdown(found))


def step(text: str) -> tuple[str, float, int]:
    name, budget, seed = text.split(":")
    return name, float(budget), int(seed)


def carry_out(runs: Runs, plan, data: Path | None, sets: Path) -> None:
    """All runs of the plan, in its order; those of the set on which codes are tuned include their variants."""
    if not runs.new:
        return
    for code in PEERS:
        if runs.python(code) is None:
            print(f"{code.name} is not installed (no environment of this name in --peers): its rows are left out")
    for name, budget, seed in plan:
        folder = written(name, data, sets)
        if folder is None:
            print(f"{name} is left out: its folder is not given as --data")
            continue
        fits = [code for code in (GAP, *PEERS) if code.fitted and seed == 0 and name != "small"]
        others = [OTHER_SIZES] if name == TUNED and seed == 0 and budget <= 300 else []
        for code in (LABKIT, *fits, *(code for code in PEERS if not code.fitted), *others):
            for _ in runs.of(code, name, budget, seed, folder):
                pass


if __name__ == "__main__":
    main()
