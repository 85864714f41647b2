"""What the runs of benchmarks/neural.py show: rows against each peer, and a table for README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from _bench import Row, compare
from _neural_runs import GAP, LABKIT, OTHER_SIZES, PEERS, TORCHMD_NET, Code, Run, Runs
from _neural_sets import NAMES

GOAL = 1 / 0.7  # of a peer's error to labkit's
ENDED = 1.05  # of the budget: a fit that took more does not count
#: what is compared in runs with the smallest errors: key, unit, goal, better
FIGURES = (
    ("force MAE", "meV/Å", GOAL, "less"),
    ("memory", "MiB", 1.0, "less"),
    ("MD steps/s", "1/s", 5.0, "more"),
    ("MD steps/s, 1,000 replicas", "1/s", 5.0, "more"),
)


@dataclass
class Found:
    """Results of one set and budget: by code and seed, the run with the smallest error of forces; and all of them."""

    set: str
    budget: float
    best: dict[str, dict[int, dict]] = field(default_factory=dict)
    all: dict[str, list[dict]] = field(default_factory=dict)

    @property
    def ours(self) -> dict[int, dict]:
        return self.best.get(LABKIT.name, {})

    def networks(self) -> list[str]:
        """The peers that train networks and have run."""
        return [code.name for code in PEERS if not code.fitted and self.best.get(code.name)]

    def pairs(self, code: str, key: str) -> tuple[list[float], list[float]]:
        """The figure of both for each seed that both have; a fit is one for all seeds."""
        theirs = self.best[code]
        if code in (GAP.name, *(peer.name for peer in PEERS if peer.fitted)):
            theirs = dict.fromkeys(self.ours, theirs[0])
        seeds = [s for s in self.ours if s in theirs and key in theirs[s] and key in self.ours[s]]
        return [self.ours[s][key] for s in seeds], [theirs[s][key] for s in seeds]


def collected(runs: Runs, plan: Sequence[tuple[str, float, int]]) -> list[Found]:
    """All results that are there, by set and budget, in the plan's order."""
    found: dict[tuple[str, float], Found] = {}
    for name, budget, seed in plan:
        into = found.setdefault((name, budget), Found(name, budget))
        for code in (LABKIT, OTHER_SIZES, GAP, *PEERS):
            kept = [r for r in (_kept(runs, code, name, budget, seed)) if r["cpu"] <= ENDED * budget or not code.fitted]
            if code is not OTHER_SIZES and kept:
                into.best.setdefault(code.name, {})[seed] = min(kept, key=lambda r: r["force MAE"])
            into.all.setdefault(code.name, []).extend(kept)
    return [each for each in found.values() if each.ours]


def _kept(runs: Runs, code: Code, name: str, budget: float, seed: int) -> list[dict]:
    tried = [Run(code, name, budget, seed, size, rate) for size, rate in code.variants]
    return [r for run in tried if (r := runs.result(run, None)) is not None]


def rows_of(found: Sequence[Found]) -> list[Row]:
    rows = []
    for each in found:
        where = f"{each.set}, {each.budget:g} s"
        for code in [*each.networks(), *(c for c in (GAP.name, "sgdml") if each.best.get(c))]:
            for key, unit, goal, better in FIGURES:
                pairs = each.pairs(code, key)
                if pairs[0]:
                    rows.append(compare(f"{where}: {key}", unit, *pairs, code, goal, better))
        rows += _same_size(each, where) + _same_error(each, where)
    return rows


def _same_size(found: Found, where: str) -> list[Row]:
    """Training frames per second of TensorNet with 64 channels and one layer in both."""
    theirs = [r["frames_per_second"] for r in found.all.get(TORCHMD_NET.name, []) if r["size"] == "medium"]
    if not theirs or 0 not in found.ours:
        return []
    mine = [found.ours[0]["frames_per_second"]]
    name = f"{where}: training frames/s, TensorNet of 64 channels"
    return [compare(name, "1/s", mine, [max(theirs)], TORCHMD_NET.name, 3.0, "more")]


def _same_error(found: Found, where: str) -> list[Row]:
    """Speeds of labkit's fastest network whose error is at most that of the peer's best run."""
    rows = []
    for code in found.networks():
        theirs = found.best[code].get(0)
        good = [
            r for r in found.all[LABKIT.name] if theirs and r["seed"] == 0 and r["force MAE"] <= theirs["force MAE"]
        ]
        for key, goal in (("MD steps/s", 5.0), ("MD steps/s, 1,000 replicas", 5.0), ("frames_per_second", 3.0)):
            if good and key in theirs and all(key in r for r in good):
                name = f"{where}: {key.replace('frames_per_second', 'training frames/s')}, at no larger error"
                mine = max(r[key] for r in good)
                rows.append(compare(name, "1/s", [mine], [theirs[key]], code, goal, "more"))
    return rows


def markdown(found: Sequence[Found]) -> str:
    """Errors of forces by set and time, then speeds and memory of the same runs, mean ± spread over seeds."""
    names = [LABKIT.name, *(p.name for p in PEERS if not p.fitted), GAP.name, "sgdml"]
    lines = [
        f"| meV/Å | {' | '.join(names)} | error over the best network's, goal 0.7 |",
        "|---" * (len(names) + 2) + "|",
    ]
    for each in found:
        cells = [_cell(each, code, "force MAE", "{:.1f}") for code in names]
        others = {c: np.mean([r["force MAE"] for r in each.best[c].values()]) for c in each.networks()}
        mine = np.mean([r["force MAE"] for r in each.ours.values()])
        ratio = f"{mine / min(others.values()):.2f}" if others else ""
        fits = {c: each.best[c][0]["force MAE"] for c in (GAP.name, "sgdml") if each.best.get(c)}
        wins = [f"{c} is best" for c in fits if fits[c] <= min([mine, *others.values(), *fits.values()])]
        lines.append(f"| {NAMES[each.set]}, {each.budget:g} s | {' | '.join(cells)} | {', '.join([ratio, *wins])} |")
    lines += ["", f"| of the same runs | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for each in found:
        for key, form in (("MD steps/s", "{:.0f}"), ("MD steps/s, 1,000 replicas", "{:.2f}"), ("memory", "{:.0f}")):
            cells = [_cell(each, code, key, form) for code in names]
            if any(cells):
                what = "memory in training, MiB" if key == "memory" else key
                lines.append(f"| {NAMES[each.set]}, {each.budget:g} s: {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(found: Found, code: str, key: str, form: str) -> str:
    values = [r[key] for r in found.best.get(code, {}).values() if key in r]
    if not values:
        return ""
    spread = f" ± {form.format(np.std(values, ddof=1))}" if len(values) > 1 else ""
    return form.format(np.mean(values)) + spread
