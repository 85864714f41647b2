"""`labkit generate DATA`: the data sets that labkit ships, each with its own generator."""

from __future__ import annotations

import argparse

from labkit.datasets.generate import command as ice
from labkit.lammps.solvent import command as colloids

DATA = {
    "ice": (ice, "frames of ice with PBE labels"),
    "colloids": (colloids, "colloids pulled through an explicit solvent in LAMMPS"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    chosen = parser.add_subparsers(dest="data", required=True, metavar="DATA")
    for name, (module, what) in DATA.items():
        module.add_arguments(chosen.add_parser(name, help=what, description=f"Make {what}."))


def run(options: argparse.Namespace) -> int:
    return DATA[options.data][0].run(options)
