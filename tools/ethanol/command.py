"""`python -m tools.ethanol`: make frames of ethanol, label them, check and pack them; each continues where it was."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from labkit.datasets.ice import data_folder
from labkit.errors import LabkitError, Stopped
from labkit.files import atomic_write
from labkit.md.bar import Bar
from labkit.oracles import MissingProgram, StoreError
from tools.command_line import run_command
from tools.ethanol.check import TOLERANCE, force_errors
from tools.ethanol.frames import available, make_frames, set_frames
from tools.ethanol.labels import LEVELS, label, seconds_per_label, status
from tools.ethanol.pack import pack
from tools.ethanol.readme import CHECKED
from tools.ethanol.sets import ORDER

FAILED, MISSING = 1, 3
CHECK_SETS = ("test", "stretched", "wide_test", "hot")  # a frame of each in turn, of those that have been made


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `python -m tools.ethanol`."""
    tasks = {
        "frames": "make the structures",
        "label": "label those that have been made",
        "run": "both: frames, labels by GFN2, labels by PBE",
        "check": "compare forces with finite differences",
        "pack": "write what has been labelled so far to data/ethanol",
        "status": "print how much has been labelled",
    }
    what = "; ".join(f"{name}: {text}" for name, text in tasks.items())
    parser.add_argument("task", choices=tasks, help=what)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="frames and labels; holds the state")
    parser.add_argument("--level", choices=LEVELS, help="only this level of labels (both, one after the other)")
    parser.add_argument("--frames", type=int, default=3, help="frames to check (3)")
    parser.add_argument("--components", type=int, default=2, help="components of the forces to check per frame (2)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where pack writes (data/ethanol)")


def run(options: argparse.Namespace) -> int:
    """Run the command; 0 for success, 1 if stopped or something failed, 2 for bad input, 3 if a program is missing."""
    options.out.mkdir(parents=True, exist_ok=True)
    levels = [options.level] if options.level else list(LEVELS)
    try:
        if options.task in ("frames", "label", "run"):
            return _make(options.out, levels, frames=options.task != "label", labels=options.task != "frames")
        if options.task == "check":
            return max(_check(options, level) for level in levels)
        if options.task == "pack":
            written = pack(options.out, options.data or data_folder() / "ethanol")
            print("\n".join(str(path) for path in written))
        if options.task == "status":
            print(status_table(options.out))
        return 0
    except MissingProgram as error:
        print(f"ethanol: {error}", file=sys.stderr)
        return MISSING
    except Stopped as stopped:
        print(f"ethanol: {stopped}; the same command continues", file=sys.stderr)
        return FAILED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or those of the command line."""
    return run_command("ethanol", "Make, label and pack the frames of ethanol.", add_arguments, run, arguments)


def status_table(folder: Path) -> str:
    """What is there, as text, and the time that the rest will take."""
    states = status(folder)
    lines = [f"{'set':<16}{'frames':>8}" + "".join(f"{level:>8}" for level in LEVELS)]
    for state in states:
        count = "-" if state.frames is None else state.frames
        lines.append(f"{state.name:<16}{count:>8}" + "".join(f"{state.labels[level]:>8}" for level in LEVELS))
    for level in LEVELS:
        seconds = seconds_per_label(folder, level)
        left = sum((state.frames or 0) - state.labels[level] for state in states)
        if math.isfinite(seconds):
            lines.append(f"{level}: {seconds:.3g} s a frame, {left} left, {left * seconds / 3600:.1f} h")
    return "\n".join(lines)


def _make(folder: Path, levels: Sequence[str], *, frames: bool, labels: bool) -> int:
    """The frames of each set, labelled at once by the first level, which is cheap; then the labels of the other."""
    for level in levels:
        LEVELS[level].require()
    failures: list[str] = []
    with (bar := Bar()).interruptible():
        for name in ORDER:
            if frames:
                print(f"frames {name}", file=sys.stderr, flush=True)
                make_frames(folder, name, bar)
            if labels and name in available(folder):
                failures += _label(folder, levels[0], name, bar)
        for level in levels[1:] if labels else ():
            for name in available(folder):
                failures += _label(folder, level, name, bar)
    print("\n".join([status_table(folder), *failures]))
    return FAILED if failures else 0


def _label(folder: Path, level: str, name: str, bar: Bar) -> list[str]:
    """Label a set; return a sentence about frames that failed, if any: they do not keep the other sets waiting."""
    print(f"{level} {name}", file=sys.stderr, flush=True)
    try:
        label(folder, level, name, bar)
    except StoreError:
        raise
    except LabkitError as error:
        return [f"{level} {name}: {error}"]
    return []


def _check(options: argparse.Namespace, level: str) -> int:
    if min(options.frames, options.components) < 1:
        raise LabkitError(f"{options.frames} frames and {options.components} components: expected at least 1 of each")
    made = [name for name in CHECK_SETS if name in available(options.out)]
    sets = [made[k % len(made)] for k in range(options.frames)]
    chosen = []
    for k, name in enumerate(sets):
        some = set_frames(options.out, name)
        chosen.append(some[(len(some) // 2 + k // len(made)) % len(some)])
    with (bar := Bar()).interruptible():
        found = force_errors(chosen, LEVELS[level], options.components, progress=bar)
    for one in found:
        print(f"{sets[one.frame]:<10} atom {one.atom} {'xyz'[one.axis]} {one.force:12.6f} {one.error:8.4f} meV/Å")
    largest = max(one.error for one in found)
    line = f"{level.upper()}: largest error {largest:.2g} meV/Å of {len(found)} components on {len(chosen)} frames"
    print(line)
    atomic_write(options.out / CHECKED.format(level), line + "\n")
    return FAILED if largest > TOLERANCE else 0
