"""`python -m tools.ice`: recompute shipped frames, add to their labels, or make new ones."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from labkit.datasets.dataset import Dataset
from labkit.datasets.ice import data_folder, ice
from labkit.errors import LabkitError
from labkit.md.bar import Bar
from labkit.oracles import Espresso, LabelStore, MissingProgram
from tools.command_line import run_command
from tools.ice.check import TOLERANCE, Deviation, check
from tools.ice.merge import merge
from tools.ice.recipes import RECIPES, Recipe, generate
from tools.ice.responses import add_responses

FAILED, BAD_INPUT, MISSING = 1, 2, 3
UNITS = {
    "energy": "meV/atom",
    "forces": "meV/Å",
    "stress": "GPa",
    "polarizability": "Å^3",
    "born_charges": "e",
}
SETS = ("train", "valid", "normal_modes", "disordered", "minimum", "stretch")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `python -m tools.ice`."""
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--check", type=int, metavar="N", help="recompute N shipped frames and report the deviations")
    task.add_argument("--out", type=Path, metavar="FOLDER", help="make new frames in FOLDER; run again to resume")
    task.add_argument(
        "--responses", type=Path, metavar="FOLDER", help="add responses to shipped frames; run again to resume"
    )
    parser.add_argument("--merge", action="store_true", help="merge the results of --responses into data/ice")
    parser.add_argument("--train", type=int, default=200, help="training frames to have after --responses (200)")
    parser.add_argument("--valid", type=int, default=50, help="validation frames to have after --responses (50)")
    parser.add_argument("--what", choices=RECIPES, default="normal_modes", help="how --out samples structures")
    parser.add_argument("--potential", type=Path, metavar="GAP.xml", help="potential for --what dynamics")
    parser.add_argument("-n", "--frames", type=int, default=25, help="frames to make (25); in dynamics, per trajectory")
    parser.add_argument("--trajectories", type=int, default=1, help="trajectories of --what dynamics (1)")
    parser.add_argument("--temperature", type=float, default=300.0, help="K (300)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers (0)")
    parser.add_argument("--response", action="store_true", help="also dielectric tensor, Born charges by ph.x")
    parser.add_argument("--store", type=Path, metavar="FILE", help="all labels and their cost (FOLDER/labels.sqlite)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="frames at a time (one per processor)")


def run(options: argparse.Namespace) -> int:
    """Run the command; return 0 for success, 1 deviations too large or stopped, 2 bad input, 3 a program is missing."""
    try:
        if options.merge:
            return _merge(options.responses)
        oracle = Espresso(response=options.response or options.responses is not None)
        oracle.require()
        if options.responses is not None:
            with _store(options, options.responses) as store:
                made = add_responses(
                    options.responses, oracle, options.train, options.valid, options.workers, Bar(), store
                )
            print(f"{len(made)} labels in {options.responses}; the same with --merge puts them into data/ice")
            return 0
        if options.out is None:
            return _check(options, oracle)
        recipe = Recipe(
            options.what,
            options.frames,
            options.trajectories,
            options.temperature,
            options.seed,
            options.potential,
        )
        with _store(options, options.out) as store:
            made = generate(recipe, oracle, options.out, options.workers, Bar(), store)
        print(f"{len(made)} frames in {options.out / 'frames.xyz.xz'}")
        return 0
    except MissingProgram as error:
        print(f"ice: skipped: {error}", file=sys.stderr)
        return MISSING


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or those of the command line."""
    return run_command("ice", "Make frames of ice with PBE labels, or recompute them.", add_arguments, run, arguments)


def _store(options: argparse.Namespace, folder: Path) -> LabelStore:
    folder.mkdir(parents=True, exist_ok=True)
    return LabelStore(options.store or folder / "labels.sqlite")


def _merge(folder: Path | None) -> int:
    if folder is None:
        raise LabkitError("--merge needs --responses FOLDER, whose labels it puts into data/ice")
    counts = merge(folder, data_folder() / "ice")
    print(f"{counts['train']} training and {counts['valid']} validation frames have responses now")
    return 0


def _check(options: argparse.Namespace, oracle: Espresso) -> int:
    frames = shipped(options.check, options.response)
    with tempfile.TemporaryDirectory(prefix="labkit-check-") as folder:
        deviations = check(frames, oracle, folder, options.workers, Bar())
    print(table(deviations))
    bad = [d.frame for d in deviations if not d.within_tolerance]
    limits = ", ".join(f"{name} {limit:g} {UNITS[name]}" for name, limit in TOLERANCE.items())
    verdict = f"frames {bad} deviate too far" if bad else "all within tolerance"
    print(f"{oracle.name}\n{verdict} ({limits})")
    return FAILED if bad else 0


def shipped(n: int, response: bool = False) -> Dataset:
    """`n` shipped frames, evenly spread over all sets; with `response`, of those that have Born charges."""
    frames = None
    for name in SETS:
        one = ice(name)
        one = replace(one, info=[{"set": name, **info} for info in one.info])
        frames = one if frames is None else frames + one
    if response:
        frames = frames[np.isfinite(frames.polarizability[:, 0, 0])]
    if not 1 <= n <= len(frames):
        raise LabkitError(f"--check {n}: expected 1 to {len(frames)} frames")
    middle = (np.arange(n) + 0.5) / n * len(frames)
    return frames[middle.astype(int)]


def table(deviations: Sequence[Deviation]) -> str:
    """Deviations as text, one frame per line, the largest below."""
    compared = [name for name in UNITS if any(np.isfinite(getattr(d, name)) for d in deviations)]
    width = max(len(d.origin) for d in deviations)
    lines = ["".join([f"{'largest deviation':<{width}}", *(f"{f'{x} [{UNITS[x]}]':>26}" for x in compared)])]
    for d in deviations:
        lines.append("".join([f"{d.origin:<{width}}", *(f"{getattr(d, x):26.2e}" for x in compared)]))
    largest = [np.nanmax([getattr(d, x) for d in deviations]) for x in compared]
    lines.append("".join([f"{'of all':<{width}}", *(f"{x:26.2e}" for x in largest)]))
    return "\n".join(lines)
