"""Active learning of ethanol against random choice, from stored labels: python benchmarks/active.py --folder runs

Everything that could be tuned to a result is in active_setup.json: the generator, the test set, the target. All runs
are kept in the folder; the same command goes on after a stop or kill -9. `--small` is a trial in a minute, on shipped
frames.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from _bench import Row, compare, parser, report

from labkit.active import CommitteeSpread, GpVariance
from labkit.active.contest import Scores, StoredLabels, Strategy, contest, grid, spread_measure
from labkit.active.learners import CommitteeLearner, GapLearner, NeuralLearner
from labkit.active.selection import SELECTIONS, Mixed, RandomFrames
from labkit.datasets import Dataset, ethanol
from labkit.files import atomic_write
from labkit.gap import GapConfig, Soap
from labkit.neural import NeuralConfig, Training

SETUP = json.loads(Path(__file__).with_name("active_setup.json").read_text())
COMMITTEE = {"committee disagreement", "maximum discrepancy", "entropy"}
PARTS = ("gfn2", "pbe", "difference", "networks", "rates", "members")


def gap(settings: Mapping[str, Any], e0: Mapping[str, float]) -> GapLearner:
    noise = {name: settings[name] for name in ("sigma_energy", "sigma_force")}
    soap = {name: x for name, x in settings.items() if name not in noise}
    return GapLearner(GapConfig(Soap(**soap), sigma_virial=None, e0=e0, **noise))


def gap_strategies(model: GapLearner) -> dict[str, Strategy]:
    """Every rule with a GAP: by its variance, or by a committee of four where the rule needs members."""
    found = {}
    for name, rule in SELECTIONS.items():
        if name in COMMITTEE:
            found[name] = Strategy(CommitteeLearner(model), rule(), CommitteeSpread)
        else:
            spread = GpVariance if "spread" in rule().needs else None
            found[name] = Strategy(model, rule(), spread)
    return found


def network_strategies(e0: Mapping[str, float], settings: Mapping[str, Any]) -> dict[str, Strategy]:
    """Networks from scratch in each round, whose validation labels count."""
    config = NeuralConfig(channels=settings["channels"], cutoff=settings["cutoff"], e0=e0)
    one, options = NeuralLearner(config, Training(steps=settings["steps"])), {"validation": settings["validation"]}
    four = replace(one, members=4)
    rules = {name: SELECTIONS[name]() for name in ("committee disagreement", "maximum discrepancy")}
    found = {"random": Strategy(one, RandomFrames(), None, options)}
    return found | {
        name: Strategy(four, rule, CommitteeSpread, options) for name, rule in (rules | {"mixed": Mixed()}).items()
    }


def rate(rate: float, batch: int, e0: Mapping[str, float]) -> Strategy:
    settings = SETUP["network"]
    config = NeuralConfig(channels=settings["channels"], cutoff=settings["cutoff"], e0=e0)
    training = Training(steps=settings["steps"], rate=rate, batch=batch)
    return Strategy(NeuralLearner(config, training), RandomFrames(), None, {"validation": settings["validation"]})


def scan_strategies(part: str, model: GapLearner, e0: Mapping[str, float], test: Dataset) -> dict[str, Strategy]:
    """Learning rates × batch sizes of a network, or sizes of a committee of GAPs; and random choice with one GAP."""
    scan, random = SETUP["scan"], {"random": Strategy(model, RandomFrames())}
    if part == "rates":
        return random | grid(lambda **one: rate(**one, e0=e0), rate=scan["rate"], batch=scan["batch"])
    rule, options = SELECTIONS["committee disagreement"](), {"measure": spread_measure(test)}
    return random | grid(
        lambda members: Strategy(CommitteeLearner(model, members), rule, CommitteeSpread, options),
        members=scan["members"],
    )


def lone_energies(level: str) -> dict[str, float]:
    """e0 of the isolated atoms; of a difference of levels that of their e0."""
    if level == "difference":
        high, low = lone_energies("pbe"), lone_energies("gfn2")
        return {symbol: high[symbol] - low[symbol] for symbol in high}
    frames = ethanol("isolated_atoms", level=level)
    return {str(atoms.symbols[0]): float(e) for atoms, e in zip(frames.atoms, frames.energy)}


def shipped(name: str, level: str) -> Dataset:
    """Shipped frames; of a difference of levels, PBE minus GFN2 where a frame has both."""
    if level != "difference":
        return ethanol(name, level=level)
    frames = ethanol(name, level="pbe")
    forces = [atoms.arrays["forces_gfn2"] for atoms in frames.atoms]
    low = [float(info["energy_gfn2"]) for info in frames.info]
    return replace(
        frames, energy=frames.energy - low, forces=frames.forces - [row for part in forces for row in part],
        name=f"ethanol {name}, PBE minus GFN2",
    )  # fmt: skip


def small(level: str) -> tuple[Dataset, Dataset]:
    """A pool of shipped frames at 500 K with some of the wide set, and test frames."""
    s = SETUP["small"]
    pool = ethanol("train", n=s["narrow"], level=level) + ethanol("wide", n=s["rare"], level=level)
    return pool, ethanol("test", n=s["test_narrow"], level=level) + ethanol("wide_test", n=s["test_rare"], level=level)


def shown(name: str, scores: Scores, target_labels: int, folder: Path) -> list[Row]:
    """Print savings and errors, keep them in the folder, and return a row for each strategy: calls to the target."""
    target = scores.target_of(target_labels)
    saving, lower = scores.saving(target), scores.reduction(target_labels / 2)
    print(f"\n{name}: target {target:.4f} eV/Å, that of random after {target_labels} labels")
    print(pd.concat([saving, lower[["reduction"]]], axis=1).round(3).to_string())
    plain = {"name": name, "target": target, "saving": saving.reset_index().to_dict("records")}
    curves = scores.curves().reset_index().to_dict("records")
    atomic_write(folder / f"{name.replace(' ', '_')}.json", json.dumps(plain | {"curves": curves}, indent=1))
    calls = scores.calls_to(target)["calls"]
    theirs, found = calls.loc["random"], []
    for one in scores.strategies:
        ours = calls.loc[one]
        seeds = [seed for seed in ours.index if seed in theirs.index]
        if one != "random":
            bound = saving.loc[one, "bound"] and f", saving {saving.loc[one, 'bound']}"
            what = f"{name}, calls to the target: {one}{bound}"
            found.append(compare(what, "calls", ours[seeds], theirs[seeds], "random"))
    return found


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--folder", type=Path, help="where frames, labels and runs are kept; by default active_runs")
    made.add_argument("--part", choices=PARTS, action="append", help="only these contests")
    chosen = made.parse_args()
    rows: list[Row] = []
    if chosen.small:
        with TemporaryDirectory() as temporary:
            rows = trial(chosen.folder or Path(temporary))
    else:
        folder = chosen.folder or Path("active_runs")
        for part in chosen.part or PARTS:
            for name, scores, labels in contests(part, folder, SETUP["seeds"]):
                rows += shown(name, scores, labels, folder)
    report(rows, chosen)


def trial(folder: Path) -> list[Row]:
    """A small contest of shipped frames."""
    s, (pool, test) = SETUP["small"], small("gfn2")
    every = gap_strategies(gap(s["gap"], lone_energies("gfn2")))
    rules = {name: every[name] for name in s["strategies"]}
    options = dict(start=s["start"], batch=s["batch"], seeds=s["seeds"], folder=folder / "small", by="kind")
    *_, scores = contest(StoredLabels(pool, 0.0036), rules, test, s["budget"], **options)
    return shown("trial", scores, s["target_labels"], folder)


def contests(part: str, folder: Path, seeds: list[int]):
    """(name, scores, labels of the target) of each contest of a part."""
    plan = SETUP["contests"].get(part, SETUP["contests"]["gfn2"])
    common = dict(start=plan["start"], batch=plan["batch"], seeds=seeds)
    e0, scan = lone_energies(plan["level"]), SETUP["scan"]
    if part in ("pbe", "difference"):
        pool, test = (shipped(name, plan["level"]) for name in (plan["pool"], plan["test"]))
        stored = StoredLabels(pool, SETUP["label_seconds"]["pbe"])
        rules = gap_strategies(gap(SETUP["gap"], e0))
        *_, scores = contest(stored, rules, test, plan["budget"], folder=folder / part, by="kind", **common)
        yield part, scores, plan["target_labels"]
        return
    from _ethanol_pool import generated

    shares = SETUP["generated"]["rare_shares"] if part in ("gfn2", "networks") else [0.05]
    for share in shares:
        pool, test = (generated(SETUP, folder, share, which) for which in ("pool", "test"))
        stored, kept = StoredLabels(pool, SETUP["label_seconds"]["gfn2"]), folder / f"{part}-{share:g}"
        budget, labels = plan["budget"], plan["target_labels"]
        if part == "gfn2":
            rules = gap_strategies(gap(SETUP["gap"], e0))
        elif part == "networks":
            rules = network_strategies(e0, SETUP["network"])
            common["batch"] = -(-(budget - common["start"]) // SETUP["network"]["rounds"])
        else:
            budget, labels = scan["budget"], scan["budget"] // 2
            rules = scan_strategies(part, gap(SETUP["gap"], e0), e0, test)
        *_, scores = contest(stored, rules, test, budget, folder=kept, by="stratum", **common)
        yield f"{part}, {share:.0%} rare", scores, labels


if __name__ == "__main__":
    main()
