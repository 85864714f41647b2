"""Common code of the benchmarks: alternating runs, ratios with quartiles, a table, JSON, CSV and a figure."""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Row:
    """One comparison: labkit's number and the peer's (medians), and their ratio, above 1 if labkit is better."""

    name: str
    unit: str
    labkit: float
    peer: float
    peer_name: str
    ratio: float
    ratio_q25: float
    ratio_q75: float
    goal: float | None = None
    runs: int = 1

    @property
    def verdict(self) -> str:
        """'met' or 'missed' if the quartiles agree, else 'undecided'."""
        if self.goal is None:
            return ""
        if self.ratio_q25 >= self.goal:
            return "met"
        return "missed" if self.ratio_q75 < self.goal else "undecided"


def compare(
    name: str,
    unit: str,
    labkit: Sequence[float],
    peer: Sequence[float],
    peer_name: str,
    goal: float | None = None,
    better: str = "less",
) -> Row:
    """A row from paired runs; the ratio is peer / labkit if less is better (times, errors), else labkit / peer."""
    ours, theirs = np.asarray(labkit, float), np.asarray(peer, float)
    ratios = theirs / ours if better == "less" else ours / theirs
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    medians = float(np.median(ours)), float(np.median(theirs))
    return Row(name, unit, *medians, peer_name, float(middle), float(low), float(high), goal, len(ratios))


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def alternate(labkit: Callable[[], object], peer: Callable[[], object], runs: int) -> tuple[list[float], list[float]]:
    """Seconds of both, alternating, so that a busy moment of the machine does not affect only one."""
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(seconds(labkit))
        theirs.append(seconds(peer))
    return ours, theirs


def parser(description: str) -> argparse.ArgumentParser:
    """The arguments that every benchmark takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", type=Path, help="write the rows here")
    made.add_argument("--csv", type=Path, help="write the rows here as a table")
    made.add_argument("--png", type=Path, help="write a figure of the ratios here")
    made.add_argument("--full", action="store_true", help="also repeat what takes minutes, 5 times")
    made.add_argument("--small", action="store_true", help="the smallest sizes, in seconds: only to check that it runs")
    return made


def report(rows: Sequence[Row], arguments: argparse.Namespace) -> None:
    """Print the table and write the requested files."""
    print(machine())
    print(table(rows))
    records = [asdict(row) for row in rows]
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=1) + "\n")
    if arguments.csv:
        with open(arguments.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Row)])
            writer.writeheader()
            writer.writerows(records)
    if arguments.png and rows:
        figure(rows, arguments.png)


def installed(peer: str, *modules: str) -> bool:
    """Whether a peer is installed; if not, print a message that its rows are left out."""
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    if absent:
        print(f"{peer} is not installed (no {', '.join(absent)}): its rows are left out")
    return not absent


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text."""
    lines = [("", "labkit", "peer", "unit", "ratio", "quartiles", "goal", "runs", "")]
    for r in rows:
        quartiles = f"{r.ratio_q25:.3g} to {r.ratio_q75:.3g}" if r.runs > 1 else ""
        goal = "" if r.goal is None else f"{r.goal:.3g}"
        numbers = (f"{r.labkit:.4g}", f"{r.peer:.4g}", r.unit, f"{r.ratio:.3g}", quartiles, goal)
        verdict = r.verdict + ", from few runs" * bool(r.verdict and r.runs < 5)
        lines.append((f"{r.name} (peer: {r.peer_name})", *numbers, str(r.runs), verdict))
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join(
        "  ".join(c.ljust(w) if k in (0, 3, 8) else c.rjust(w) for k, (c, w) in enumerate(zip(line, widths))).rstrip()
        for line in lines
    )


def figure(rows: Sequence[Row], path: Path) -> None:
    """Ratios as bars with their quartiles; a line marks each goal."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(8, 0.4 * len(rows) + 1), layout="constrained")
    FigureCanvasAgg(drawn)
    axes = drawn.add_subplot()
    places = np.arange(len(rows))[::-1]
    ratios = np.array([r.ratio for r in rows])
    spread = np.array([[r.ratio - r.ratio_q25 for r in rows], [r.ratio_q75 - r.ratio for r in rows]])
    axes.barh(places, ratios, xerr=spread, color="tab:blue", alpha=0.7)
    for place, row in zip(places, rows):
        if row.goal is not None:
            axes.plot([row.goal, row.goal], [place - 0.4, place + 0.4], color="tab:red")
    axes.set_xscale("log")
    axes.set_yticks(places, [r.name for r in rows])
    axes.set_xlabel("ratio, above 1 if labkit is better; red: goal")
    drawn.savefig(path, dpi=120)


def machine() -> str:
    """The machine and software, without names of hosts or folders."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    import torch

    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"
