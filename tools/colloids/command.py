"""`python -m tools.colloids`: pull colloids through an explicit solvent in LAMMPS, and reduce the results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from labkit.datasets.ice import data_folder
from labkit.errors import LabkitError
from labkit.files import atomic_write
from labkit.md.bar import Bar
from tools.colloids.compare import Comparison, compare
from tools.colloids.data import SETTINGS, Colloids, reduced, write
from tools.colloids.pull import pull
from tools.colloids.settings import Solvent
from tools.command_line import run_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `python -m tools.colloids`."""
    parser.add_argument("--out", type=Path, metavar="FOLDER", required=True, help="work here; run again to resume")
    parser.add_argument("--blocks", type=int, default=200, metavar="N", help="blocks of each piece (200)")
    parser.add_argument("--piece", metavar="NAME", help="run this piece only, as one of several processes")
    parser.add_argument("--settings", type=Path, metavar="FILE.json", help="other settings than the shipped data's")
    parser.add_argument("--merge", action="store_true", help="also put the reduced data into data/colloids")


def run(options: argparse.Namespace) -> int:
    """Run the pieces, write FOLDER/reduced, print the comparison; 0 when all blocks are there."""
    if options.blocks < 3:
        raise LabkitError(f"--blocks {options.blocks}: expected 3 at least, for error bars")
    settings = Solvent() if options.settings is None else Solvent.load(options.settings)
    keep_settings(settings, options.out)
    names = [piece.name for piece in settings.pieces()]
    if options.piece not in (None, *names):
        raise LabkitError(f"--piece {options.piece}: expected one of {', '.join(names)}")
    for piece in settings.pieces():
        if options.piece in (None, piece.name):
            print(f"{piece.name}: blocks of {settings.block:g}", file=sys.stderr)
            pull(settings, piece, options.out / piece.name, options.blocks, progress=Bar())
    if options.piece is not None:
        print(f"{options.piece}: {options.blocks} blocks; once all pieces have theirs, run the same without --piece")
        return 0
    data = reduced(settings, options.out)
    found = compare(data)
    print(found)
    for folder in [options.out / "reduced"] + ([data_folder() / "colloids"] if options.merge else []):
        print(", ".join(map(str, write(data, folder, readme(data, found)))))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or those of the command line."""
    purpose = "Pull colloids through an explicit solvent in LAMMPS."
    return run_command("colloids", purpose, add_arguments, run, arguments)


def keep_settings(settings: Solvent, folder: Path) -> None:
    """Write the settings into the folder; raises LabkitError if its blocks were made with others."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SETTINGS
    if path.exists() and Solvent.load(path) != settings:
        raise LabkitError(f"{path}: the blocks here have other settings; give --settings {path}, or another folder")
    atomic_write(path, settings.text())


def readme(data: Colloids, found: Comparison) -> str:
    """The README of the tables: what they are, how they were made, what they show."""
    s = data.settings
    return f"""# Colloids pulled through an explicit solvent

Read with `tools.colloids.colloids()`; `sha256sum -c SHA256SUMS` checks the files, as labkit does. Made by

    python -m tools.colloids --out FOLDER --blocks {len(data.viscosity)}

with LAMMPS, from the settings in {SETTINGS} (`--settings` for others). Reduced units: the solvent's sigma, epsilon and
mass are 1. Each row is the mean over one block of {s.block:g} time units, {s.steps} steps.

pulling.csv: piece; distance of two colloids, which lie along x (0: one colloid); force on each colloid, the same along
x, y and z; block; velocity of the colloids; temperature. viscosity.csv: amplitudes of a cosine in the solvent's
acceleration and velocity.

- The solvent interacts by the repulsive Weeks-Chandler-Andersen potential; its pair thermostat conserves momentum.
- The counter-force acts equally on all mass, the colloids have the mass of the displaced fluid: no net force or flow.
- Two colloids are one body that does not rotate: V = (M_ii + M_ij) F. x is along the pair, y and z across it.
- The solvent slips along the colloids: their hydrodynamic radius is not that of their surface; M_ii gives it.

    from tools.colloids import colloids, compare  # in labkit's repository
    print(compare(colloids()))

{"".join(f"    {line}".rstrip() + chr(10) for line in str(found).splitlines())}
Licence: CC-BY-4.0 (https://creativecommons.org/licenses/by/4.0/), the labkit developers.
"""
